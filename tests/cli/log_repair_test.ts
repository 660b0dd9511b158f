/**
 * `kf log repair` of the real command on the folder of a real broker: what it
 * says, its exit codes, and that the broker serves what is left.
 *
 * @module
 */
import { assert, assertEquals, assertMatch } from "@std/assert";
import { kf, startBrokerProcess, temporaryFolder } from "../fixtures.ts";

const SEGMENT = "00000000000000000000.log";

/** Size of the log after each of three records that were written one by one. */
async function written(data: string): Promise<number[]> {
  await using broker = await startBrokerProcess({ data });
  const sizes: number[] = [];
  for (const value of ["a", "b", "c"]) {
    const args = ["produce", "t", "-b", broker.address];
    assertEquals((await kf(args, { stdin: `${value}\n` })).code, 0);
    sizes.push(Deno.statSync(`${data}/t-0/${SEGMENT}`).size);
  }
  const refused = await kf(["log", "repair", data, "-y"]);
  assertEquals([refused.code, refused.stdout], [1, ""]);
  assertMatch(refused.stderr, /a broker uses it; stop it first/);
  assertEquals(await broker.end(), 0);
  return sizes;
}

Deno.test("kf log repair tells first, asks, cuts, keeps what it cuts, and the broker serves the rest", async () => {
  using folder = temporaryFolder();
  const data = `${folder.path}/data`;
  const [first, second, third] = await written(data);
  const log = `${data}/t-0/${SEGMENT}`;
  const kept = `${data}/t-0/cut-${SEGMENT}-${first}`;
  const bytes = Deno.readFileSync(log);
  bytes[second! - 1]! ^= 1;
  Deno.writeFileSync(log, bytes);
  const repair = (...args: string[]) => kf(["log", "repair", data, ...args]);
  const dry = await repair("--dry-run");
  assertEquals(dry.code, 0);
  assertEquals(
    dry.stdout,
    `${log} at ${first}: the batch fails its CRC\n  would be cut off here; ${
      third! - first!
    } B, 2 records from offset 1 to 2; kept in ${kept}\n`,
  );
  assertEquals(dry.stderr, "kf: 1 problem, nothing was changed\n");
  const unanswered = await repair();
  assertEquals([unanswered.code, unanswered.stdout], [2, ""]);
  assertMatch(unanswered.stderr, /Nobody can be asked here: add -y/);
  assertEquals(Deno.readFileSync(log), bytes);
  const done = await repair("-y", "--format", "json");
  assertEquals([done.code, done.stderr], [0, "kf: 1 problem repaired\n"]);
  assertEquals(JSON.parse(done.stdout), [{
    file: log,
    position: first,
    problem: "the batch fails its CRC",
    action: "cut",
    kept,
    remedy: null,
    lostBytes: third! - first!,
    lostRecords: 2,
    lostFromOffset: 1,
    lostToOffset: 2,
    isDone: true,
  }]);
  assertEquals(Deno.readFileSync(kept), bytes.slice(first));
  const again = await repair("-y");
  assertEquals(
    [again.code, again.stdout, again.stderr],
    [0, "", "kf: nothing is wrong\n"],
  );
  await using broker = await startBrokerProcess({ data });
  const cluster = ["-b", broker.address];
  await kf(["produce", "t", ...cluster], { stdin: "d\n" });
  const read = await kf(["consume", "t", "-e", "-f", "%o %v\n", ...cluster]);
  assertEquals(read.stdout, "0 a\n1 d\n");
  assert(!broker.stderr().includes("WARN"), broker.stderr());
  assertEquals(await broker.end(), 0);
});

Deno.test("kf log repair never cuts the metadata, which would take topics along", async () => {
  using folder = temporaryFolder();
  const data = `${folder.path}/data`;
  await written(data);
  const log = `${data}/__cluster_metadata-0/${SEGMENT}`;
  const good = Deno.readFileSync(log);
  const damaged = good.slice();
  damaged[good.length >> 1]! ^= 1;
  Deno.writeFileSync(log, damaged);
  const { code, stdout } = await kf(["log", "repair", data, "-y"]);
  assertEquals(code, 1);
  assert(stdout.startsWith(`${log} at `), stdout);
  assertMatch(stdout, /left as it is: start the broker, which takes off what/);
  assertEquals(Deno.readFileSync(log), damaged);
  Deno.writeFileSync(log, good);
  await using broker = await startBrokerProcess({ data });
  const read = await kf(["consume", "t", "-e", "-b", broker.address]);
  assertEquals(read.stdout, "a\nb\nc\n");
  assertEquals(await broker.end(), 0);
});

Deno.test("kf log repair leaves what it can't know, and exits with 1", async () => {
  using folder = temporaryFolder();
  const partition = `${folder.path}/t-0`;
  Deno.mkdirSync(partition);
  Deno.writeTextFileSync(`${partition}/partition.metadata`, "?");
  for (const args of [["--dry-run"], ["-y"]]) {
    const { code, stdout } = await kf(["log", "repair", ".", ...args], {
      cwd: partition,
    });
    assertEquals(code, 1);
    assertMatch(
      stdout,
      /partition\.metadata at 0: no topic id is in it\n {2}left as it is: write it anew/,
    );
  }
  const none = await kf(["log", "repair", folder.path, "-y"]);
  assertEquals(none.code, 1);
  assertMatch(none.stderr, /neither a broker's data folder nor a partition's/);
});
