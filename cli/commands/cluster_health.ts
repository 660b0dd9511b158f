/**
 * `kf cluster health`: exit 0 when ready, 1 when not. With `--wait` it asks
 * again until ready or out of time.
 *
 * @module
 */
import { withAdmin } from "../cluster.ts";
import type { Call } from "../command.ts";
import { printAnswer } from "../output.ts";
import type { Settings } from "../settings.ts";
import { monoMs, sleep } from "../terminal.ts";

const WAIT_MS = 60_000;
const PAUSE_MS = 100;

interface Health {
  readonly isReady: boolean;
  readonly nodes: number;
  readonly topics: number;
  readonly partitions: number;
  readonly withoutLeader: number;
  readonly underReplicated: number;
}

/** Runs `kf cluster health`. */
export async function run({ flags, settings }: Call): Promise<void> {
  const health = flags.has("wait")
    ? await waitForHealth(settings)
    : await askHealth(settings);
  await printAnswer({
    json: health,
    columns: [
      "ready",
      "nodes",
      "topics",
      "partitions",
      "without leader",
      "under-replicated",
    ],
    rows: [Object.values(health)],
  }, settings);
  if (health.isReady) return;
  throw new Error(
    `Cannot call the cluster ready: ${health.withoutLeader} of ${health.partitions} partitions have no leader`,
  );
}

async function askHealth(settings: Settings): Promise<Health> {
  return await withAdmin(settings, async (admin) => {
    const { nodes } = await admin.describeCluster();
    const listed = await admin.listTopics();
    const topics = listed.length === 0
      ? []
      : await admin.describeTopics(listed.map(({ name }) => name));
    const partitions = topics.flatMap((topic) => topic.partitions);
    const withoutLeader = partitions.filter(({ leader }) => leader < 0).length;
    return {
      isReady: nodes.length > 0 && withoutLeader === 0,
      nodes: nodes.length,
      topics: topics.length,
      partitions: partitions.length,
      withoutLeader,
      underReplicated: partitions.filter(({ isr, replicas }) =>
        isr.length < replicas.length
      ).length,
    };
  });
}

async function waitForHealth(settings: Settings): Promise<Health> {
  const deadlineMs = monoMs() + (settings.timeoutMs ?? WAIT_MS);
  for (;;) {
    const leftMs = Math.max(1, Math.floor(deadlineMs - monoMs()));
    try {
      const health = await askHealth({ ...settings, timeoutMs: leftMs });
      if (health.isReady || monoMs() >= deadlineMs) return health;
    } catch (error) {
      if (monoMs() >= deadlineMs) throw error;
    }
    await sleep(PAUSE_MS);
  }
}
