/**
 * `kf cluster health`: exit 0 when ready, 1 when not. With `--wait` it asks
 * again until ready or out of time. What is ready and still in danger is told
 * on stderr.
 *
 * @module
 */
import type { Admin, PartitionInfo, TopicPartition } from "../../net/client.ts";
import { withAdmin } from "../cluster.ts";
import type { Call } from "../command.ts";
import { printAnswer, say } from "../output.ts";
import type { Settings } from "../settings.ts";
import { partitionKey } from "../targets.ts";
import { monoMs, sleep } from "../terminal.ts";

const WAIT_MS = 60_000;
const PAUSE_MS = 100;
/** Partitions that are named; their number is told anyway. */
const NAMED_MAX = 5;

interface Health {
  readonly isReady: boolean;
  readonly nodes: number;
  readonly topics: number;
  readonly partitions: number;
  readonly withoutLeader: number;
  readonly underReplicated: number;
  readonly underMinIsr: number;
  readonly unreplicated: number;
  readonly offline: readonly Offline[];
}

/** A partition without a leader, and who could be it. */
interface Offline extends TopicPartition {
  /** Node ids, one of which is enough; none when all that is known is lost. */
  readonly waitsFor: readonly number[];
}

/** What is told in words, beside the numbers. */
interface Found {
  readonly health: Health;
  readonly underReplicated: readonly PartitionInfo[];
  readonly underMinIsr: readonly PartitionInfo[];
  readonly unreplicated: readonly PartitionInfo[];
}

/** Runs `kf cluster health`. */
export async function run({ flags, settings }: Call): Promise<void> {
  const isStrict = flags.has("in-sync");
  const found = flags.has("wait")
    ? await waitForHealth(settings, isStrict)
    : await askHealth(settings, isStrict);
  const { offline, ...numbers } = found.health;
  await printAnswer({
    json: found.health,
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
    rows: [Object.values(numbers)],
  }, settings);
  for (const danger of dangersOf(found)) say(danger, settings);
  if (numbers.isReady) return;
  throw new Error(
    `Cannot call the cluster ready: ${offline.length} of ${numbers.partitions} partitions have no leader` +
      (isStrict ? `, ${numbers.underReplicated} lack replicas in sync` : ""),
  );
}

function* dangersOf(
  { health, underReplicated, underMinIsr, unreplicated }: Found,
): Generator<string> {
  const { nodes, offline } = health;
  for (const at of offline.slice(0, NAMED_MAX)) {
    const { topic, partition, waitsFor } = at;
    yield `${partitionKey(at)} has no leader: it waits for broker ${
      waitsFor.join(" or ") || "that had it"
    }; kf leader elect ${topic}:${partition} --unclean gives up what others lack`;
  }
  if (underReplicated.length > 0) {
    const away = new Set(
      underReplicated.flatMap(({ replicas, isr }) =>
        replicas.filter((id) => !isr.includes(id))
      ),
    );
    yield `short of replicas in sync: ${counted(underReplicated)}; broker ${
      [...away].sort((a, b) => a - b).join(", ")
    } is away or catches up`;
  }
  if (underMinIsr.length > 0) {
    yield `under min.insync.replicas: ${
      counted(underMinIsr)
    }; acks=all is refused`;
  }
  if (nodes > 1 && unreplicated.length > 0) {
    yield `on one broker alone: ${
      counted(unreplicated)
    }, away while that is; kf reassign plan -r gives more replicas`;
  }
}

/** How many partitions, with the names of the first ones. */
function counted(partitions: readonly PartitionInfo[]): string {
  const { length } = partitions;
  const names = partitions.slice(0, NAMED_MAX).map(partitionKey).join(", ");
  const more = length > NAMED_MAX ? ", …" : "";
  return `${length} partition${length === 1 ? "" : "s"} (${names}${more})`;
}

async function askHealth(
  settings: Settings,
  isStrict: boolean,
): Promise<Found> {
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
    const leaderless = partitions.filter(({ leader }) => leader < 0);
    const underReplicated = partitions.filter(({ isr, replicas }) =>
      isr.length < replicas.length
    );
    // More than there are replicas can't be asked for.
    const underMinIsr = partitions.filter(({ topic, isr, replicas }) =>
      isr.length < Math.min(minIsrs.get(topic) ?? 1, replicas.length)
    );
    const unreplicated = partitions.filter(({ replicas }) =>
      replicas.length === 1
    );
    const health = {
      isReady: nodes.length > 0 && leaderless.length === 0 &&
        (!isStrict || underReplicated.length === 0),
      nodes: nodes.length,
      topics: topics.length,
      partitions: partitions.length,
      withoutLeader: leaderless.length,
      underReplicated: underReplicated.length,
      underMinIsr: underMinIsr.length,
      unreplicated: unreplicated.length,
      offline: await offlineOf(admin, leaderless),
    };
    return { health, underReplicated, underMinIsr, unreplicated };
  });
}

/** Who is waited for: in sync, or lacking nothing, or the last that led. */
async function offlineOf(
  admin: Admin,
  leaderless: readonly PartitionInfo[],
): Promise<Offline[]> {
  if (leaderless.length === 0) return [];
  const topics = [...new Set(leaderless.map(({ topic }) => topic))];
  const known = new Map(
    (await admin.describeEligibleLeaders(topics))
      .map((each) => [partitionKey(each), each]),
  );
  return leaderless.map((at) => {
    const { eligible = [], lastKnown = [] } = known.get(partitionKey(at)) ?? {};
    const able = [...new Set([...at.isr, ...eligible])];
    return {
      topic: at.topic,
      partition: at.partition,
      waitsFor: able.length > 0 ? able : lastKnown,
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

async function waitForHealth(
  settings: Settings,
  isStrict: boolean,
): Promise<Found> {
  const deadlineMs = monoMs() + (settings.timeoutMs ?? WAIT_MS);
  for (;;) {
    const leftMs = Math.max(1, Math.floor(deadlineMs - monoMs()));
    try {
      const found = await askHealth(
        { ...settings, timeoutMs: leftMs },
        isStrict,
      );
      if (found.health.isReady || monoMs() >= deadlineMs) return found;
    } catch (error) {
      if (monoMs() >= deadlineMs) throw error;
    }
    await sleep(PAUSE_MS);
  }
}
