/**
 * Power that takes the end of a segment and spares the next one: the gap is told,
 * remembered until somebody says what becomes of it, and cut only where another
 * log has what belongs there.
 *
 * @module
 */
import { assert, assertEquals } from "@std/assert";
import { temporaryFolder } from "../../tests/fixtures.ts";
import { denoEnv } from "../env/deno_env.ts";
import type { Env } from "../env/env.ts";
import { batchesOf } from "../record/batch.ts";
import { buildBatch } from "../record/builder.ts";
import type { Log } from "./log.ts";
import { LOG_CONFIG } from "./log_config_fixture.ts";
import { LogFolder } from "./log_folder.ts";

const PLACE = {
  topic: "t",
  partition: 0,
  topicId: "Gmd94rMBRdCEC5P7ytJnvA",
  config: { ...LOG_CONFIG, segmentBytes: 500 },
};
const RECORDS = 30;

/** A broker's folder that is stopped and started, in one way or the other. */
class Node implements AsyncDisposable {
  readonly told: string[] = [];
  readonly #temporary = temporaryFolder();
  readonly #env: Env;
  #folder!: LogFolder;
  log!: Log;

  constructor() {
    const trace: Env["trace"] = (_, event) => this.told.push(event);
    this.#env = { ...denoEnv({ traceLevel: "error" }), trace };
    this.#open();
  }

  #open(): void {
    const { path } = this.#temporary;
    this.#folder = LogFolder.open({ env: this.#env, path, nodeId: 1 });
    this.log = this.#folder.openLog(PLACE);
    this.log.assignEpoch(0);
    this.#folder.traceRecovery();
  }

  append(count: number): void {
    for (let n = 0; n < count; n++) {
      const value = new Uint8Array(30);
      const batch = buildBatch([{ timestamp: n, key: null, value }]);
      this.log.appendAsLeader(batch, { leaderEpoch: 0, nowMs: 0 });
    }
    this.log.writeStaged();
  }

  async restart({ clean, meanwhile = () => {} }: {
    readonly clean: boolean;
    readonly meanwhile?: () => void;
  }): Promise<void> {
    await this.#close(clean);
    meanwhile();
    this.#open();
  }

  #close(clean: boolean): Promise<void> {
    return this.#folder.close({
      clean,
      brokerEpoch: 1,
      highWatermarks: new Map(),
    });
  }

  /** Takes the last batch of the segment; gives where it began. */
  loseEndOf(segment: number): number {
    const path = `${this.log.segments[segment]!.path}.log`;
    const bytes = Deno.readFileSync(path);
    const last = [...batchesOf(bytes)].at(-1)!;
    const { baseOffset, sizeInBytes } = last;
    Deno.truncateSync(path, bytes.length - sizeInBytes);
    return baseOffset;
  }

  forgetRecoveryPoint(): void {
    const { path } = this.#temporary;
    Deno.removeSync(`${path}/recovery-point-offset-checkpoint`);
  }

  /** The offsets that are there. */
  offsets(): number[] {
    const { log } = this;
    const found: number[] = [];
    for (let next = log.logStartOffset; next < log.logEndOffset;) {
      const bytes = log.read(next, {
        maxBytes: 10_000,
        upperOffset: Infinity,
        minOneBatch: true,
      });
      for (const { baseOffset, nextOffset } of batchesOf(bytes)) {
        found.push(baseOffset);
        next = nextOffset;
      }
    }
    return found;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#close(true);
    await this.#env.tasks.settled();
    this.#temporary[Symbol.dispose]();
  }
}

/** A node whose second segment lost its end to power; and where. */
async function withGap(): Promise<{ node: Node; gap: number }> {
  const node = new Node();
  node.append(RECORDS);
  let gap = -1;
  await node.restart({
    clean: false,
    meanwhile: () => gap = node.loseEndOf(1),
  });
  return { node, gap };
}

const upTo = (end: number) => Array.from({ length: end }, (_, n) => n);

Deno.test("records behind a gap that power made stay, and the gap is told", async () => {
  const { node, gap } = await withGap();
  await using _ = node;
  const rest = upTo(RECORDS).filter((offset) => offset !== gap);
  assertEquals(node.offsets(), rest);
  await node.log.flush();
  assertEquals(node.log.recoveryPoint, gap);
  assertEquals(
    node.told[0],
    "Recovered 1 log after an unclean stop: 1 may lack records in between",
  );
  assert(
    node.told[1]!.startsWith(`t-0 may lack records from offset ${gap} on`),
  );
  node.log.keepGap();
  await node.restart({ clean: true });
  assertEquals(node.offsets(), rest);
  assertEquals(node.log.recoveryPoint, RECORDS);
});

for (const clean of [true, false]) {
  Deno.test(`a gap is remembered over ${clean ? "a clean stop" : "a kill"}, and cut where another log leads`, async () => {
    const { node, gap } = await withGap();
    await using _ = node;
    await node.log.flush();
    await node.restart({ clean });
    await node.log.flush();
    assertEquals(node.log.recoveryPoint, gap);
    node.log.cutGap();
    assertEquals(node.offsets(), upTo(gap));
    node.append(RECORDS - gap);
    node.log.cutGap();
    await node.restart({ clean });
    assertEquals(node.offsets(), upTo(RECORDS));
  });
}

Deno.test("damage within a log that was stopped well keeps no start from it", async () => {
  await using node = new Node();
  node.append(RECORDS);
  await node.restart({
    clean: true,
    meanwhile: () => {
      const path = `${node.log.segments[1]!.path}.log`;
      const bytes = Deno.readFileSync(path);
      const { sizeInBytes } = [...batchesOf(bytes)].at(-1)!;
      Deno.writeFileSync(path, bytes.fill(0, bytes.length - sizeInBytes));
      node.forgetRecoveryPoint();
    },
  });
  assertEquals(node.log.logEndOffset, RECORDS);
});

Deno.test("what compaction left out is no gap, above the recovery point neither", async () => {
  await using node = new Node();
  node.append(RECORDS);
  node.log.markCleaned(RECORDS);
  await node.restart({ clean: true });
  let gone = -1;
  await node.restart({
    clean: false,
    meanwhile: () => gone = node.loseEndOf(1),
  });
  node.log.cutGap();
  assertEquals(
    node.offsets(),
    upTo(RECORDS).filter((offset) => offset !== gone),
  );
});
