/**
 * `kf cluster health`: exit 0 when ready, 1 when not. With `--wait` it asks
 * again until ready or out of time. What is ready and still in danger is told
 * on stderr.
 *
 * @module
 */
import type { Admin, PartitionInfo } from "../../net/client.ts";
import { withAdmin } from "../cluster.ts";
import type { Call } from "../command.ts";
import { printAnswer, say } from "../output.ts";
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
  readonly underMinIsr: number;
  readonly unreplicated: number;
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
      "under min isr",
      "unreplicated",
    ],
    rows: [Object.values(health)],
  }, settings);
  for (const danger of dangersOf(health)) say(danger, settings);
  if (health.isReady) return;
  throw new Error(
    `Cannot call the cluster ready: ${health.withoutLeader} of ${health.partitions} partitions have no leader`,
  );
}

function* dangersOf(health: Health): Generator<string> {
  const { nodes, underReplicated, underMinIsr, unreplicated } = health;
  if (underReplicated > 0) {
    yield `${underReplicated} partitions lack replicas: a broker is away or catches up`;
  }
  if (underMinIsr > 0) {
    yield `${underMinIsr} partitions have fewer replicas in sync than min.insync.replicas: acks=all is refused`;
  }
  if (nodes > 1 && unreplicated > 0) {
    yield `${unreplicated} partitions have one replica on ${nodes} brokers: they are away while that broker is`;
  }
}

async function askHealth(settings: Settings): Promise<Health> {
  return await withAdmin(settings, async (admin) => {
    const { nodes } = await admin.describeCluster();
    const listed = await admin.listTopics();
    const names = listed.map(({ name }) => name);
    const [topics, minIsrs] = names.length === 0
      ? [[], new Map<string, number>()]
      : await Promise.all([
        admin.describeTopics(names),
        minIsrOf(admin, names),
      ]);
    const partitions = topics.flatMap((topic) => topic.partitions);
    const count = (isIt: (partition: PartitionInfo) => boolean) =>
      partitions.filter(isIt).length;
    const withoutLeader = count(({ leader }) => leader < 0);
    return {
      isReady: nodes.length > 0 && withoutLeader === 0,
      nodes: nodes.length,
      topics: topics.length,
      partitions: partitions.length,
      withoutLeader,
      underReplicated: count(({ isr, replicas }) =>
        isr.length < replicas.length
      ),
      // More than there are replicas can't be asked for.
      underMinIsr: count(({ topic, isr, replicas }) =>
        isr.length < Math.min(minIsrs.get(topic) ?? 1, replicas.length)
      ),
      unreplicated: count(({ replicas }) => replicas.length === 1),
    };
  });
}

/** The least replicas in sync that writers to each topic may ask for. */
async function minIsrOf(
  admin: Admin,
  names: readonly string[],
): Promise<Map<string, number>> {
  const described = await admin.describeConfigs(
    names.map((name) => ({ type: "topic", name })),
  );
  return new Map(described.map(({ name, entries }) => {
    const entry = entries.find((each) => each.name === "min.insync.replicas");
    return [name, Number(entry?.value ?? 1)];
  }));
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
