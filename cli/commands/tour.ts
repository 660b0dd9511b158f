/**
 * `kf tour`: three brokers, one of which is killed while somebody writes, told
 * to a person as it happens. Owns the story; it leaves nothing behind.
 *
 * @module
 */
import type { PartitionInfo } from "../../net/client.ts";
import type { Call } from "../command.ts";
import { Interrupted, Stage } from "../stage.ts";
import { monoMs, takeInterrupts } from "../terminal.ts";
import { TourCluster } from "../tour_cluster.ts";
import { formatDuration } from "../units.ts";

/** How long anything may take on a machine that is busy. */
const PATIENCE_MS = 60_000;
/** How long the writer is watched when nothing happens. */
const CALM_MS = 2_000;

/** Runs `kf tour`. */
export async function run({ flags, settings }: Call): Promise<void> {
  const interrupts = takeInterrupts();
  const stage = new Stage({
    isColored: settings.color.stdout,
    isPaced: !flags.has("no-pause"),
    signal: interrupts.signal,
  });
  try {
    await using cluster = new TourCluster();
    await tell(stage, cluster);
  } catch (error) {
    if (!(error instanceof Interrupted)) throw error;
  } finally {
    stage.close();
    interrupts.release();
  }
}

async function tell(stage: Stage, cluster: TourCluster): Promise<void> {
  await start(stage, cluster);
  await write(stage, cluster);
  const leader = await killLeader(stage, cluster);
  await bringBack(stage, cluster, leader);
  await prove(stage, cluster);
}

async function start(stage: Stage, cluster: TourCluster): Promise<void> {
  stage.title("1  Three brokers");
  stage.say(
    "A broker keeps records in files and hands them to whoever asks. Three of them, each a process with a folder of its own, are one cluster: they agree on who does what, and each can do it.",
  );
  stage.show([
    `their folders are in ${cluster.folder}, for as long as this lasts`,
  ]);
  await stage.pause();
  await cluster.begin();
  await stage.watch(async () => {
    const serving = await cluster.brokers();
    return {
      lines: cluster.ids.map((id) =>
        `broker ${id}   ${serving.includes(id) ? "serves" : "starts …"}`
      ),
      isDone: serving.length === cluster.ids.length,
    };
  }, { what: "three brokers serve", timeoutMs: PATIENCE_MS });
}

async function write(stage: Stage, cluster: TourCluster): Promise<void> {
  stage.title("2  One topic, three copies");
  stage.say(
    "A topic is a list of records that only grows. This one is on all three brokers. One of them leads: it takes what is written, and the others copy it from there. Who has all of it is in sync.",
  );
  stage.say(
    "A record is acknowledged once all who are in sync have it, and never with fewer than two of them. Somebody begins to write a hundred records a second.",
  );
  await stage.pause();
  await cluster.createTopic();
  await cluster.write();
  const startMs = monoMs();
  await stage.watch(async () => {
    const partition = await cluster.partition();
    return {
      lines: picture(cluster, partition),
      isDone: partition?.isr.length === cluster.ids.length &&
        monoMs() - startMs > CALM_MS,
    };
  }, { what: "all are in sync", timeoutMs: PATIENCE_MS });
}

/** Gives the id of whoever led. */
async function killLeader(stage: Stage, cluster: TourCluster): Promise<number> {
  const leader = (await cluster.partition())?.leader ?? -1;
  stage.title("3  The leader dies");
  stage.say(
    `Broker ${leader} leads. It is killed now, as kill -9 does: no goodbye, no last write. The writer goes on, and is told of nothing: its next record waits.`,
  );
  stage.say(
    "Once the others have missed it for three seconds (nine, unless somebody says otherwise), one that was in sync leads. It has every record that was ever acknowledged.",
  );
  await stage.pause();
  await cluster.kill(leader);
  const { count: before } = cluster.progress;
  await stage.watch(async () => {
    const partition = await cluster.partition();
    const isLed = partition !== undefined && partition.leader >= 0 &&
      partition.leader !== leader;
    return {
      lines: picture(cluster, partition),
      // Writing has gone on, too.
      isDone: isLed && cluster.progress.count > before + 50,
    };
  }, { what: "another one leads", timeoutMs: PATIENCE_MS });
  return leader;
}

async function bringBack(
  stage: Stage,
  cluster: TourCluster,
  id: number,
): Promise<void> {
  stage.title("4  It comes back");
  stage.say(
    `Broker ${id} is started again, with the files that it had. Where they say something else than the new leader's they are cut; then it copies what it missed, and is in sync again. Nobody has to do anything.`,
  );
  await stage.pause();
  cluster.start(id);
  await stage.watch(async () => {
    const partition = await cluster.partition();
    return {
      lines: picture(cluster, partition),
      isDone: partition?.isr.length === cluster.ids.length,
    };
  }, { what: "all are in sync again", timeoutMs: PATIENCE_MS });
}

async function prove(stage: Stage, cluster: TourCluster): Promise<void> {
  stage.title("5  Nothing is lost");
  stage.say(
    "The writer stops. All that is in the topic is read and held against what was acknowledged.",
  );
  await stage.pause();
  const { acknowledged, failed, longestGapMs } = await cluster.stopWriting();
  const read = await cluster.readAll();
  const found = new Set(read);
  const missing = acknowledged.filter((value) => !found.has(value)).length;
  const twice = read.length - found.size;
  stage.show([
    `acknowledged   ${acknowledged.length}`,
    `read           ${read.length}`,
    `lost           ${missing}`,
    `twice          ${twice}`,
    `longest pause  ${formatDuration(longestGapMs)}, while nobody led`,
  ]);
  if (missing > 0 || twice > 0 || failed > 0) {
    throw new Error(
      `Cannot call this safe: ${missing} records lost, ${twice} there twice, ${failed} refused`,
    );
  }
  stage.say(
    "The brokers end, and their folders are removed. To go on yourself: kf\u00a0dev\u00a0-n\u00a03 starts such a cluster to try things on, and docs/OPERATIONS.md tells how to run one for good.",
  );
}

/** The cluster as a table: what each broker is, and how the writer fares. */
function picture(
  cluster: TourCluster,
  partition: PartitionInfo | undefined,
): string[] {
  const { count, silentMs } = cluster.progress;
  const rows = cluster.ids.map((id) =>
    `broker ${id}   ${(cluster.isRunning(id) ? "runs" : "killed").padEnd(9)}${
      partOf(id, partition)
    }`
  );
  const writer = silentMs < 500
    ? "writing"
    : `waiting for ${(silentMs / 1000).toFixed(1)} s`;
  return [...rows, `${count} records acknowledged, ${writer}`];
}

function partOf(id: number, partition: PartitionInfo | undefined): string {
  if (partition === undefined) return "…";
  const { leader, isr } = partition;
  if (id === leader) return "leads";
  return isr.includes(id) ? "in sync" : "not in sync";
}
