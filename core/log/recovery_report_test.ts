/**
 * What an operator is told of a recovery, and that a long one gives way to
 * others while it goes on.
 *
 * @module
 */
import { assert, assertEquals } from "@std/assert";
import { denoEnv } from "../env/deno_env.ts";
import { buildBatch } from "../record/builder.ts";
import type { LogConfig } from "./log_options.ts";
import { LOG_CONFIG } from "./log_config_fixture.ts";
import { LogFolder } from "./log_folder.ts";
import { traceRecovery } from "./recovery_report.ts";

const CONFIG: LogConfig = {
  ...LOG_CONFIG,
  segmentBytes: 64 * 1024 * 1024,
  segmentIndexBytes: 10_000_000,
  indexIntervalBytes: 4096,
};
const PLACE = { partition: 0, topicId: "Gmd94rMBRdCEC5P7ytJnvA" };

/** Opens a folder; what it traces joins `told`, without times. */
function open(path: string, told: string[]): LogFolder {
  const env = denoEnv({
    trace: (level, event, fields) => {
      const { ms: _, ...rest } = fields ?? {};
      told.push(`${level} ${event} ${JSON.stringify(rest)}`);
    },
  });
  return LogFolder.open({ env, path, nodeId: 1 });
}

/** A folder with a log per topic, of `count` batches of 1000 bytes, left by a kill. */
async function killed(
  path: string,
  topics: readonly string[],
  { count, config = CONFIG }: { count: number; config?: LogConfig },
): Promise<void> {
  const folder = open(path, []);
  const value = new Uint8Array(1000);
  const bare = buildBatch([{ timestamp: 1, key: null, value }]).length - 1000;
  for (const topic of topics) {
    const log = folder.openLog({ ...PLACE, topic, config });
    for (let i = 0; i < count; i++) {
      const batch = buildBatch([
        { timestamp: 1, key: null, value: value.subarray(bare) },
      ]);
      log.appendAsLeader(batch, { leaderEpoch: 0, nowMs: 0 });
    }
    log.writeStaged();
  }
  await close(folder);
}

function close(folder: LogFolder): Promise<void> {
  return folder.close({
    clean: false,
    brokerEpoch: 1,
    highWatermarks: new Map(),
  });
}

async function withFolder(
  test: (path: string) => Promise<void>,
): Promise<void> {
  const path = Deno.makeTempDirSync({ prefix: "kf-report-" });
  try {
    await test(path);
  } finally {
    Deno.removeSync(path, { recursive: true });
  }
}

Deno.test("after an unclean stop one line tells of all logs that are whole", () =>
  withFolder(async (path) => {
    await killed(path, ["a", "b", "c"], { count: 3 });
    const told: string[] = [];
    const folder = open(path, told);
    for (const topic of ["a", "b", "c"]) {
      folder.openLog({ ...PLACE, topic, config: CONFIG });
    }
    assertEquals(told, []);
    folder.traceRecovery();
    folder.traceRecovery();
    assertEquals(told.length, 1);
    const size = Deno.statSync(`${path}/a-0/00000000000000000000.log`).size;
    assertEquals(
      told[0],
      `info Recovered 3 logs after an unclean stop: nothing is lost {"scannedBytes":${
        3 * size
      }}`,
    );
    await close(folder);
  }));

Deno.test("for each log that is cut a line says where, why, what went and what is left", () =>
  withFolder(async (path) => {
    const config = { ...CONFIG, segmentBytes: 10_000 };
    await killed(path, ["a", "b", "c", "d"], { count: 30, config });
    const file = (topic: string) => `${path}/${topic}-0/${"0".repeat(20)}.log`;
    const flipped = Deno.readFileSync(file("b"));
    const batchBytes = flipped.length / Math.floor(flipped.length / 1000);
    flipped[2 * batchBytes + 100]! ^= 1;
    Deno.writeFileSync(file("b"), flipped);
    Deno.writeFileSync(file("c"), new Uint8Array(500));
    const total = (topic: string) =>
      [...Deno.readDirSync(`${path}/${topic}-0`)]
        .filter(({ name }) => name.endsWith(".log"))
        .reduce(
          (sum, { name }) =>
            sum + Deno.statSync(`${path}/${topic}-0/${name}`).size,
          0,
        );
    const sizes = { b: total("b"), c: total("c") };
    const told: string[] = [];
    const folder = open(path, told);
    for (const topic of ["a", "b", "c", "d"]) {
      folder.openLog({ ...PLACE, topic, config });
    }
    folder.traceRecovery();
    assert(
      told[0]!.startsWith(
        "warn Recovered 4 logs after an unclean stop: 2 had to be cut",
      ),
      told[0],
    );
    assertEquals(told.slice(1), [
      `warn Cut b-0 at offset 2: the batch fails its CRC ${
        JSON.stringify({
          path: file("b"),
          position: 2 * batchBytes,
          cutBytes: sizes.b - 2 * batchBytes,
          keptOffsets: "0 to 1",
        })
      }`,
      `warn Cut c-0 at offset 0: no batch begins here: magic is 0 ${
        JSON.stringify({
          path: file("c"),
          position: 0,
          cutBytes: sizes.c,
          keptOffsets: "nothing",
        })
      }`,
    ]);
    await close(folder);
  }));

Deno.test("a thousand logs that were cut don't fill the screen", () => {
  const told: string[] = [];
  const cut = { offset: 1, path: "p", position: 2, why: "so", bytes: 3 };
  const logs = Array.from({ length: 1000 }, (_, i) => ({
    name: `t-${i}`,
    scannedBytes: 10,
    firstOffset: 0,
    logEndOffset: 1,
    ms: 0.5,
    cut,
    gapOffset: undefined,
  }));
  traceRecovery((_, event) => told.push(event), logs, "an unclean stop");
  assertEquals(told.length, 52);
  assertEquals(told.at(-1), "And 950 more logs that lost something");
});

Deno.test("the recovery of one large log gives way to others, and finds what one in a go finds", () =>
  withFolder(async (path) => {
    await killed(path, ["a"], { count: 40_000 });
    const steps: number[] = [];
    const place = { ...PLACE, topic: "a", config: CONFIG };
    const folder = open(path, []);
    let turns = 0;
    const log = await folder.openLogLater(place, (bytes) => {
      steps.push(bytes);
      return new Promise((resolve) =>
        setTimeout(() => {
          turns++;
          resolve();
        }, 0)
      );
    });
    const { size } = Deno.statSync(`${path}/a-0/${"0".repeat(20)}.log`);
    assertEquals(steps.reduce((sum, bytes) => sum + bytes, 0), size);
    assert(turns >= 8 && Math.max(...steps) < 5 * 1024 * 1024, `${steps}`);
    assertEquals(log.logEndOffset, 40_000);
    await close(folder);
    const again = open(path, []);
    assertEquals(again.openLog(place).logEndOffset, 40_000);
    await close(again);
  }));
