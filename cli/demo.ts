/**
 * `deno task demo`: a broker of its own, real events in through `kf produce`,
 * out through two `kf consume` of one group, and a check that nothing was
 * lost, changed or reordered. It leaves nothing behind; exit 1 when
 * anything differs.
 *
 * @module
 */
import { withAdmin } from "./cluster.ts";
import { sentenceOf } from "./failure.ts";
import { gatherSettings, type Settings } from "./settings.ts";
import {
  type Child,
  exit,
  isTerminal,
  makeTemporaryFolder,
  monoMs,
  printErr,
  printOut,
  readPackageText,
  removePath,
  sleep,
  startKf,
} from "./terminal.ts";
import { formatBytes } from "./units.ts";

const TOPIC = "flights";
const GROUP = "demo";
const PARTITIONS = 6;
const MEMBERS = 2;
const DEADLINE_MS = 60_000;

interface Flight {
  readonly date: string;
  readonly delay: number;
  readonly distance: number;
  readonly origin: string;
  readonly destination: string;
}

/** Values by key, in the order in which they went by. */
type ByKey = Map<string, string[]>;

/** What one member of the group has printed. */
interface Reader {
  readonly child: Child;
  readonly values: ByKey;
  readonly partitions: Map<number, number>;
  records: number;
  bytes: number;
  readonly reading: Promise<void>;
}

async function main(): Promise<void> {
  printOut("kf demo: real flights through a real broker\n\n");
  const flights: Flight[] = JSON.parse(
    await readPackageText("vega-datasets", "../data/flights-20k.json"),
  );
  const data = makeTemporaryFolder("kf-demo-");
  const { startBroker } = await import("../net/broker.ts");
  const readers: Reader[] = [];
  const broker = await startBroker({
    config: new Map([
      ["listeners", "PLAINTEXT://127.0.0.1:0"],
      ["log.dirs", data],
    ]),
  });
  try {
    const settings = await gatherSettings({ brokers: [broker.address] });
    step(`broker on ${broker.address}, data in ${data}`);
    await createTopic(settings);
    step(`topic "${TOPIC}" with ${PARTITIONS} partitions`);
    for (let i = 0; i < MEMBERS; i++) readers.push(startReader(broker.address));
    await waitForMembers(settings);
    step(`group "${GROUP}" with ${MEMBERS} members, each with its partitions`);
    const { sent, startMs, sentMs } = await produce(broker.address, flights);
    await waitForAll(readers, flights.length);
    const readMs = monoMs();
    for (const reader of readers) await stop(reader);
    const lag = await lagOf(settings);
    summarize(readers, { sentMs: sentMs - startMs, readMs: readMs - startMs });
    compare(sent, readers, lag);
  } finally {
    for (const { child } of readers) await child.ended.catch(() => {});
    await broker.stop();
    removePath(data);
  }
  printOut(CLOSING);
}

const CLOSING = `
What came out is what went in. Try it yourself, each in its own terminal:

  kf broker
  kf produce < file
  kf consume --group g

(kf stands for: deno task kf; without Deno: npx -y deno@2.9.6 task kf)
`;

function step(text: string): void {
  printOut(`  ✓ ${text}\n`);
}

async function createTopic(settings: Settings): Promise<void> {
  const created = await withAdmin(
    settings,
    (admin) => admin.createTopics([{ name: TOPIC, partitions: PARTITIONS }]),
  );
  const error = created[0]?.error;
  if (error !== undefined) throw error;
}

function startReader(address: string): Reader {
  const child = startKf([
    "consume",
    TOPIC,
    "--brokers",
    address,
    "--group",
    GROUP,
    "-f",
    "%p\\t%k\\t%v\\n",
  ]);
  const reader: Reader = {
    child,
    values: new Map(),
    partitions: new Map(),
    records: 0,
    bytes: 0,
    reading: Promise.resolve(),
  };
  return Object.assign(reader, { reading: readAll(reader) });
}

async function readAll(reader: Reader): Promise<void> {
  const decoder = new TextDecoder();
  let rest = "";
  for await (const chunk of reader.child.output) {
    reader.bytes += chunk.length;
    const lines = (rest + decoder.decode(chunk, { stream: true })).split("\n");
    rest = lines.pop() ?? "";
    for (const line of lines) {
      const [partition, key, value] = line.split("\t") as [
        string,
        string,
        string,
      ];
      note(reader.values, key, value);
      const at = Number(partition);
      reader.partitions.set(at, (reader.partitions.get(at) ?? 0) + 1);
      reader.records++;
    }
  }
}

function note(values: ByKey, key: string, value: string): void {
  const known = values.get(key);
  if (known === undefined) values.set(key, [value]);
  else known.push(value);
}

async function waitForMembers(settings: Settings): Promise<void> {
  await until("both members have joined", async () => {
    const groups = await withAdmin(
      settings,
      (admin) => admin.describeGroups([GROUP]),
    );
    const group = groups[0];
    return group?.state === "Stable" && group.members.length === MEMBERS &&
      group.members.every((member) => member.assignment.length > 0);
  });
}

async function produce(address: string, flights: readonly Flight[]) {
  const sent: ByKey = new Map();
  const lines = flights.map((flight) => {
    const value = JSON.stringify(flight);
    note(sent, flight.origin, value);
    return `${flight.origin}\t${value}\n`;
  });
  const bytes = new TextEncoder().encode(lines.join(""));
  const child = startKf(["produce", TOPIC, "-b", address, "-K", "\\t"]);
  const startMs = monoMs();
  await child.write(bytes);
  await child.endInput();
  for await (const _ of child.output);
  const { code, stderr } = await child.ended;
  if (code !== 0) throw new Error(`kf produce ended with ${code}: ${stderr}`);
  const sentMs = monoMs();
  step(`${flights.length} flights sent, ${formatBytes(bytes.length)}`);
  return { sent, startMs, sentMs };
}

async function waitForAll(readers: Reader[], total: number): Promise<void> {
  const count = () => readers.reduce((sum, { records }) => sum + records, 0);
  await until(`${total} records are read`, () => {
    if (isTerminal.stderr()) {
      printErr(`\r\x1b[K  … ${count()} of ${total} read`);
    }
    return Promise.resolve(count() >= total);
  });
  if (isTerminal.stderr()) printErr("\r\x1b[K");
  const shares = readers.map(({ records }) => records).join(" and ");
  step(`${count()} read by two members: ${shares}`);
}

async function stop(reader: Reader): Promise<void> {
  reader.child.stop();
  await reader.child.endInput().catch(() => {});
  await reader.reading;
  const { code, stderr } = await reader.child.ended;
  if (code !== 0) throw new Error(`kf consume ended with ${code}: ${stderr}`);
}

async function lagOf(settings: Settings): Promise<number> {
  return await withAdmin(settings, async (admin) => {
    const partitions = Array.from({ length: PARTITIONS }, (_, partition) => ({
      topic: TOPIC,
      partition,
    }));
    const ends = await admin.listOffsets(partitions, "latest");
    const committed = await admin.listGroupOffsets(GROUP);
    const sum = (offsets: readonly { offset: number }[]) =>
      offsets.reduce((total, { offset }) => total + Math.max(0, offset), 0);
    return sum(ends) - sum(committed);
  });
}

function summarize(
  readers: readonly Reader[],
  times: { sentMs: number; readMs: number },
): void {
  const records = readers.reduce((sum, reader) => sum + reader.records, 0);
  const bytes = readers.reduce((sum, reader) => sum + reader.bytes, 0);
  const rate = (ms: number) =>
    Math.round(records / Math.max(0.001, ms / 1000)).toLocaleString("en-US");
  printOut(`
  records     ${records.toLocaleString("en-US")}
  bytes       ${formatBytes(bytes)}
  sent        ${rate(times.sentMs)} records/s, start of kf produce included
  sent + read ${rate(times.readMs)} records/s
  partitions  ${PARTITIONS}

`);
  const counts = new Map<number, number>();
  for (const { partitions } of readers) {
    for (const [partition, count] of partitions) {
      counts.set(partition, (counts.get(partition) ?? 0) + count);
    }
  }
  const most = Math.max(1, ...counts.values());
  for (let partition = 0; partition < PARTITIONS; partition++) {
    const count = counts.get(partition) ?? 0;
    const bar = "█".repeat(Math.round(count / most * 40));
    printOut(`  ${partition}  ${bar.padEnd(41)}${count}\n`);
  }
  printOut("\n");
}

/** Throws unless every key's values came out once, whole and in order. */
function compare(
  sent: ByKey,
  readers: readonly Reader[],
  lag: number,
): void {
  const got: ByKey = new Map();
  for (const { values } of readers) {
    for (const [key, list] of values) {
      if (got.has(key)) throw new Error(`Key "${key}" came to both members`);
      got.set(key, list);
    }
  }
  if (got.size !== sent.size) {
    throw new Error(`${sent.size} keys went in, ${got.size} came out`);
  }
  for (const [key, values] of sent) {
    const found = got.get(key) ?? [];
    const at = values.findIndex((value, i) => value !== found[i]);
    if (at >= 0 || found.length !== values.length) {
      throw new Error(
        `Key "${key}" differs from its record ${Math.max(0, at)}`,
      );
    }
  }
  step(`${sent.size} keys compared: every record is there, in order`);
  if (lag !== 0) throw new Error(`The group's lag is ${lag}, not 0`);
  step("lag 0: the group has committed all it printed");
}

async function until(
  what: string,
  holds: () => Promise<boolean>,
): Promise<void> {
  const deadlineMs = monoMs() + DEADLINE_MS;
  while (!await holds()) {
    if (monoMs() > deadlineMs) throw new Error(`Waited in vain until ${what}`);
    await sleep(50);
  }
}

try {
  await main();
  exit(0);
} catch (error) {
  printErr(`kf demo failed: ${sentenceOf(error)}\n`);
  exit(1);
}
