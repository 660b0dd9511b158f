/**
 * `kf log dump` of the real command over the files of a real broker: what is in
 * them, what is wrong with them, and that its advice helps.
 *
 * @module
 */
import { assert, assertEquals, assertMatch } from "@std/assert";
import { encodeSnapshot, snapshotName } from "../../core/raft/snapshot.ts";
import { controlBatch, markerBatch } from "../../core/record/control.ts";
import { createProducer } from "../../net/client.ts";
import {
  type Finished,
  kf,
  kfCommand,
  run,
  startBrokerProcess,
  temporaryFolder,
} from "../fixtures.ts";

const CODECS = ["none", "gzip", "snappy", "lz4", "zstd"];
const LOG = "t-0/00000000000000000000.log";
const INDEX = "t-0/00000000000000000000.index";

interface Row extends Readonly<Record<string, unknown>> {
  readonly file: string;
  readonly kind: string;
}

/** The folder of a broker that held records of every codec and has stopped. */
interface Bench extends Disposable {
  readonly data: string;
  dump(...args: string[]): Promise<Finished>;
  rows(...args: string[]): Promise<Row[]>;
  /** Overwrites bytes of a file. */
  damage(file: string, at: number, bytes: readonly number[]): void;
  /** What a broker over the folder serves of topic t. */
  served(): Promise<string>;
}

async function startBench(): Promise<Bench> {
  const folder = temporaryFolder();
  const data = `${folder.path}/data`;
  {
    const args = [
      "-X",
      "log.index.interval.bytes=1",
      "-X",
      "num.partitions=1",
      "-X",
      "group.initial.rebalance.delay.ms=0",
    ];
    await using broker = await startBrokerProcess({ data, args });
    const cluster = ["-b", broker.address];
    for (const codec of CODECS) {
      const producer = createProducer({
        "bootstrap.servers": broker.address,
        "compression.type": codec,
        "linger.ms": 60_000,
      });
      const headers = [["from", "test"]] as const;
      const sent = [`${codec} 1`, `${codec} 2`]
        .map((value) =>
          producer.send({ topic: "t", key: "k", value, headers })
        );
      await producer.close();
      await Promise.all(sent);
    }
    await kf(["consume", "t", "-e", "-g", "readers", ...cluster]);
    assertEquals(await broker.end(), 0);
  }
  const dump = (...args: string[]) => kf(["log", "dump", ...args]);
  return {
    data,
    dump,
    async rows(...args) {
      const { stdout } = await dump(...args, "--format", "json");
      return stdout.split("\n").filter(Boolean).map((line) => JSON.parse(line));
    },
    damage(name, at, bytes) {
      using file = Deno.openSync(`${data}/${name}`, { write: true });
      file.seekSync(at, Deno.SeekMode.Start);
      file.writeSync(new Uint8Array(bytes));
    },
    async served() {
      await using broker = await startBrokerProcess({ data });
      const read = await kf(["consume", "t", "-e", "-b", broker.address]);
      assertEquals(read.code, 0, read.stderr);
      assertEquals(await broker.end(), 0);
      return read.stdout;
    },
    [Symbol.dispose]: () => folder[Symbol.dispose](),
  };
}

/** Every file below `folder` with all that would show a change. */
function snapshotOf(folder: string): string[] {
  return [...Deno.readDirSync(folder)].flatMap(({ name, isDirectory }) => {
    const path = `${folder}/${name}`;
    if (isDirectory) return [path, ...snapshotOf(path)];
    const { mtime, size } = Deno.statSync(path);
    return [`${path} ${mtime?.getTime()} ${size} ${Deno.readFileSync(path)}`];
  }).sort();
}

Deno.test("kf log dump tells what a broker wrote, finds nothing wrong and changes nothing", async () => {
  using bench = await startBench();
  const before = snapshotOf(bench.data);
  const rows = await bench.rows(bench.data, "--records");
  const inLog = rows.filter(({ file }) => file === `${bench.data}/${LOG}`);
  const batches = inLog.filter(({ kind }) => kind === "batch");
  assertEquals(batches.map(({ codec }) => codec), CODECS);
  assert(batches.every(({ isCrcValid }) => isCrcValid));
  const records = inLog.filter(({ kind }) => kind === "record");
  assertEquals(
    records.map(({ offset, key, value, headers, decoded }) => [
      [offset, key, value],
      [headers, decoded],
    ]),
    CODECS.flatMap((codec) => [`${codec} 1`, `${codec} 2`])
      .map((value, i) => [[i, "k", value], [[["from", "test"]], null]]),
  );
  const kinds = new Set(rows.map(({ kind }) => kind));
  for (const kind of ["index", "timeindex", "producer", "epoch", "partition"]) {
    assert(kinds.has(kind), `no row of kind ${kind}`);
  }
  const verified = await bench.dump(bench.data, "--verify");
  assertEquals([verified.code, verified.stdout], [0, ""]);
  assertMatch(verified.stderr, /batches and \d+ entries read, 0 problems/);
  assertEquals(snapshotOf(bench.data), before);
});

Deno.test("kf log dump --records decodes Kafka's own topics", async () => {
  using bench = await startBench();
  const decoded = (await bench.rows(bench.data, "--records"))
    .map((row) => row["decoded"] as { type: string; key: never; value: never })
    .filter(Boolean);
  const commits = decoded.filter(({ type }) => type === "OffsetCommit");
  assertEquals(commits.map(({ key }) => key), [
    { group: "readers", topic: "t", partition: 0 },
  ]);
  const topics = decoded.filter(({ type }) => type === "Topic")
    .map(({ value }) => value["name"]);
  assertEquals(topics, ["t", "__consumer_offsets"]);
  const file = `${bench.data}/__cluster_metadata-0/00000000000000000000.log`;
  const text = await bench.dump(file, "--records");
  assert(text.stdout.startsWith(`${file}\n  batch position=0 `), text.stdout);
  assertMatch(text.stdout, /\n {2}record .* decoded=\{"type":"Topic",.*\}\n/);
});

Deno.test("kf log dump --records decodes Kafka's own topics from within their folders", async () => {
  using bench = await startBench();
  const cwd = `${bench.data}/__cluster_metadata-0`;
  const name = "00000000000000000000.log";
  for (const path of [name, `./${name}`, "."]) {
    const { stdout } = await kf(["log", "dump", path, "--records"], { cwd });
    assertMatch(stdout, /decoded=\{"type":"Topic",/, path);
  }
});

Deno.test("kf log dump reads beside a running broker", async () => {
  using folder = temporaryFolder();
  await using broker = await startBrokerProcess({ data: folder.path });
  const cluster = ["-b", broker.address];
  await kf(["produce", "t", ...cluster], { stdin: "a\n" });
  const verified = await kf(["log", "dump", folder.path, "--verify"]);
  assertEquals([verified.code, verified.stdout], [0, ""], verified.stderr);
  await kf(["produce", "t", ...cluster], { stdin: "b\n" });
  const read = await kf(["consume", "t", "-e", ...cluster]);
  assertEquals(read.stdout, "a\nb\n");
  assertEquals(await broker.end(), 0);
});

Deno.test("kf log dump --verify names a damaged batch, and its advice keeps what lies before", async () => {
  using bench = await startBench();
  const whole = await bench.rows(`${bench.data}/${LOG}`);
  const third = whole[2]!["position"] as number;
  bench.damage(LOG, third + 70, [0xff, 0xff, 0xff]);
  const { code, stdout } = await bench.dump(bench.data, "--verify");
  assertEquals(code, 1);
  const [line, rest] = stdout.split("\n");
  assertEquals(rest, "", stdout);
  assert(
    line!.startsWith(
      `${bench.data}/${LOG} at ${third}: the batch's CRC is wrong; copy `,
    ),
    line,
  );
  const rows = await bench.rows(`${bench.data}/${LOG}`);
  assertEquals(
    rows.map(({ kind, isCrcValid }) => isCrcValid ?? kind),
    [true, true, false, "problem", true, true],
  );
  assertMatch(line!, /stop the broker, then kf log repair keeps what lies/);
  assertEquals((await kf(["log", "repair", bench.data, "-y"])).code, 0);
  assertEquals(
    await bench.served(),
    "none 1\nnone 2\ngzip 1\ngzip 2\n",
  );
  const again = await bench.dump(bench.data, "--verify");
  assertEquals([again.code, again.stdout], [0, ""]);
});

Deno.test("kf log dump --verify holds an index against its log, and its advice loses no record", async () => {
  using bench = await startBench();
  bench.damage(INDEX, 4, [0, 0, 0, 7]);
  const { code, stdout } = await bench.dump(bench.data, "--verify");
  assertEquals(code, 1);
  assertMatch(
    stdout,
    /^\S+\.index at 0: offset \d points to 7, where no batch begins; stop the broker, then kf log repair makes .+\n$/,
  );
  const alone = await bench.dump(`${bench.data}/${INDEX}`);
  assertEquals(alone.code, 0, "among themselves its entries are in order");
  assertEquals((await kf(["log", "repair", bench.data, "-y"])).code, 0);
  assertEquals((await bench.served()).split("\n").length, 11);
});

Deno.test("kf log dump --verify names every damaged file on a line of its own", async () => {
  using bench = await startBench();
  const snapshot = [...Deno.readDirSync(`${bench.data}/t-0`)]
    .find(({ name }) => name.endsWith(".snapshot"))!.name;
  bench.damage(`t-0/${snapshot}`, 20, [0xff]);
  bench.damage("t-0/leader-epoch-checkpoint", 0, [0x39]);
  bench.damage("t-0/partition.metadata", 0, Array(30).fill(0x0a));
  bench.damage("recovery-point-offset-checkpoint", 0, [0x1b]);
  Deno.truncateSync(`${bench.data}/${LOG}`, 180);
  const { code, stdout, stderr } = await bench.dump(bench.data, "--verify");
  assertEquals(code, 1);
  const found = stdout.trim().split("\n");
  for (
    const [name, why] of [
      [
        `t-0/${snapshot}`,
        /wrong CRC; stop the broker, then kf log repair makes it /,
      ],
      ["t-0/leader-epoch-checkpoint", /isn't a checkpoint/],
      ["t-0/partition.metadata", /no topic id is in it; write it anew/],
      ["recovery-point-offset-checkpoint", /isn't a checkpoint/],
      [LOG, /a batch of \d+ bytes begins here, and \d+ are left; copy /],
      [INDEX, /and the log can be read up to \d+ only, here and below;/],
    ] as const
  ) {
    const line = found.find((each) =>
      each.startsWith(`${bench.data}/${name} `)
    );
    assertMatch(line ?? "", why, `${name} in\n${stdout}`);
  }
  assertMatch(stderr, new RegExp(`${found.length} problems`));
  assertEquals(found.length, 7, "one for each index, however many entries");
});

/** An aborted transaction, as a `.txnindex` has it. */
function txnIndexEntry(): Uint8Array<ArrayBuffer> {
  const entry = new DataView(new ArrayBuffer(34));
  for (const [i, value] of [7n, 1n, 3n, 4n].entries()) {
    entry.setBigInt64(2 + 8 * i, value);
  }
  return new Uint8Array(entry.buffer);
}

Deno.test("kf log dump knows every kind of file, and names the damage in each", async () => {
  using bench = await startBench();
  const { data } = bench;
  Deno.writeFileSync(
    `${data}/t-0/00000000000000000000.txnindex`,
    txnIndexEntry(),
  );
  const id = { endOffset: 1, epoch: 1 };
  const checkpoint = `${data}/__cluster_metadata-0/${snapshotName(id)}`;
  for (const part of encodeSnapshot([], { id, nowMs: 1 })) {
    Deno.writeFileSync(checkpoint, part, { append: true });
  }
  const kinds = {
    [LOG]: "batch",
    [INDEX]: "index",
    "t-0/00000000000000000000.timeindex": "timeindex",
    "t-0/00000000000000000000.txnindex": "txnindex",
    "t-0/00000000000000000010.snapshot": "producer",
    "t-0/leader-epoch-checkpoint": "epoch",
    "t-0/partition.metadata": "partition",
    "recovery-point-offset-checkpoint": "checkpoint",
    "replication-offset-checkpoint": "checkpoint",
    "meta.properties": "property",
    ".kafka_cleanshutdown": "property",
    "__cluster_metadata-0/quorum-state": "property",
    [`__cluster_metadata-0/${snapshotName(id)}`]: "batch",
  };
  const whole = await bench.dump(data, "--verify");
  assertEquals([whole.code, whole.stdout], [0, ""]);
  const rows = await bench.rows(data);
  const text = (await bench.dump(data)).stdout.split("\n\n");
  for (const [name, kind] of Object.entries(kinds)) {
    const file = `${data}/${name}`;
    const own = rows.filter((row) => row.file === file);
    assert(own.length > 0, name);
    assertEquals(new Set(own.map((row) => row.kind)), new Set([kind]), name);
    const lines = text.find((part) => part.startsWith(`${file}\n`))!.trimEnd();
    assertEquals(lines.split("\n").length, own.length + 1, name);
    assertMatch(lines, new RegExp(`^  ${kind} position=\\d+ `, "m"));
    const good = Deno.readFileSync(file);
    Deno.writeFileSync(file, good.slice().fill(0x5a));
    const { code, stdout } = await bench.dump(file, "--verify");
    assertEquals(code, 1, `${name}: ${stdout}`);
    assert(stdout.startsWith(`${file} at `), stdout);
    Deno.writeFileSync(file, good);
  }
});

Deno.test("kf log dump takes room that was set aside for no damage", async () => {
  using bench = await startBench();
  const { size } = Deno.statSync(`${bench.data}/${LOG}`);
  Deno.truncateSync(`${bench.data}/${LOG}`, size + 5000);
  Deno.truncateSync(`${bench.data}/${INDEX}`, 4096);
  const { code, stdout } = await bench.dump(bench.data, "--verify");
  assertEquals([code, stdout], [0, ""]);
});

Deno.test("kf log dump ends well when the reader of its pipe has gone", async () => {
  using bench = await startBench();
  const command = kfCommand("log", "dump", bench.data, "--records").join(" ");
  const { code, stdout, stderr } = await run([
    "bash",
    "-c",
    `${command} | head -1; exit \${PIPESTATUS[0]}`,
  ]);
  assertEquals([code, stderr], [0, ""]);
  assert(stdout.startsWith(bench.data), stdout);
});

Deno.test("kf log dump says what it can't read", async () => {
  using folder = temporaryFolder();
  const cases = [
    ["nowhere", /there is no such file or folder/],
    [".", /no file of a log is in it/],
    ["a.txt", /its name is not one of a log's files/],
  ] as const;
  Deno.writeTextFileSync(`${folder.path}/a.txt`, "a");
  for (const [path, why] of cases) {
    const { code, stdout, stderr } = await kf(["log", "dump", path], {
      cwd: folder.path,
    });
    assertEquals([code, stdout], [1, ""], path);
    assertMatch(stderr, why);
  }
  const { stderr } = await kf(["log", "dump"], { cwd: folder.path });
  assertMatch(stderr, /Cannot dump "kf-data"/);
});

/** Batches as one file. */
function bytesOf(batches: Iterable<Uint8Array>): Uint8Array<ArrayBuffer> {
  return new Uint8Array([...batches].flatMap((batch) => [...batch]));
}

Deno.test("kf log dump --records says what control records say, and --verify what they can't", async () => {
  using folder = temporaryFolder();
  const id = { endOffset: 1, epoch: 1 };
  const file = `${folder.path}/${snapshotName(id)}`;
  const batches = [...encodeSnapshot([], {
    id,
    nowMs: 7,
    quorum: {
      kraftVersion: 1,
      voters: [{
        id: 3,
        directoryId: "MLPRt3J0RyKvMRPIkCVP9A",
        endpoints: [{ name: "CONTROLLER", host: "h", port: 9093 }],
        kraftVersions: { min: 0, max: 1 },
      }],
    },
  })];
  Deno.writeFileSync(file, bytesOf(batches));
  const { stdout } = await kf(["log", "dump", file, "--records"]);
  assertMatch(
    stdout,
    /control=SNAPSHOT_HEADER decoded=\{"type":"SnapshotHeader","value":\{"version":0,"lastContainedLogTimestamp":7\}\}\n/,
  );
  assertMatch(
    stdout,
    /decoded=\{"type":"KRaftVersion","value":\{"version":0,"kRaftVersion":1\}\}\n/,
  );
  assertMatch(
    stdout,
    /decoded=\{"type":"KRaftVoters","value":\{"version":0,"voters":\[\{"voterId":3,"voterDirectoryId":"MLPRt3J0RyKvMRPIkCVP9A","endpoints":\[\{"name":"CONTROLLER","host":"h","port":9093\}\]/,
  );
  assertMatch(stdout, /decoded=\{"type":"SnapshotFooter",/);

  const verify = async (bytes: Uint8Array) => {
    Deno.writeFileSync(file, bytes);
    const { code, stdout } = await kf(["log", "dump", file, "--verify"]);
    assertEquals(code, 1, stdout);
    return stdout;
  };
  assertMatch(await verify(bytesOf(batches.slice(0, 1))), /footer is missing/);
  assertMatch(await verify(bytesOf(batches.slice(1))), /header is missing/);
  const broken = controlBatch(
    [{ type: "KRAFT_VOTERS", value: new Uint8Array([0, 0, 9]) }],
    { timestamp: 7 },
  );
  assertMatch(
    await verify(bytesOf([batches[0]!, broken, batches[1]!])),
    /the control record KRAFT_VOTERS at offset 0 can't be read: /,
  );
});

Deno.test("kf log dump --records tells where a transaction ends, and a control record of a newer Kafka raw", async () => {
  using folder = temporaryFolder();
  const file = `${folder.path}/00000000000000000000.log`;
  const marker = markerBatch({
    producerId: 5,
    producerEpoch: 1,
    coordinatorEpoch: 4,
    committed: true,
    transactionVersion: 2,
  }, 7);
  const newer = controlBatch(
    [{ type: "KRAFT_VERSION", value: new Uint8Array([0, 9, 1]) }],
    { baseOffset: 1, timestamp: 7 },
  );
  Deno.writeFileSync(file, bytesOf([marker, newer]));
  const { stdout } = await kf(
    ["log", "dump", file, "--records", "--format", "json"],
  );
  const records = stdout.trim().split("\n").map((line) => JSON.parse(line))
    .filter(({ kind }) => kind === "record");
  assertEquals(
    records.map(({ control, decoded }) => [control, decoded]),
    [
      ["COMMIT", {
        type: "EndTxnMarker",
        value: { version: 0, coordinatorEpoch: 4 },
      }],
      ["KRAFT_VERSION", null],
    ],
  );
  const verified = await kf(["log", "dump", file, "--verify"]);
  assertEquals([verified.code, verified.stdout], [0, ""]);
});
