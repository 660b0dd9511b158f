/**
 * How fast replicas are copied while partitions move: set on brokers and topics
 * before the moves, taken away when they are done. It never decides what moves.
 *
 * @module
 */
import type {
  Admin,
  ConfigChange,
  Outcome,
  ResourceChange,
} from "../net/client.ts";
import type { PlannedMove } from "./reassignment.ts";

const ROLES = ["leader", "follower"] as const;
const RATES = ROLES.map((role) => `${role}.replication.throttled.rate`);
const REPLICAS = ROLES.map((role) => `${role}.replication.throttled.replicas`);

/** Throttles what `moves` copy to so many bytes a second, on each broker. */
export async function throttle(
  admin: Admin,
  moves: readonly PlannedMove[],
  bytesPerSecond: number,
): Promise<void> {
  const rate = String(Math.max(1, Math.floor(bytesPerSecond)));
  const brokers = await aliveOf(admin, moves);
  const changes: ResourceChange[] = brokers.map((id) => ({
    type: "broker",
    name: String(id),
    changes: RATES.map((name) => ({ name, operation: "set", value: rate })),
  }));
  for (const [topic, own] of Map.groupBy(moves, ({ topic }) => topic)) {
    const listed = (idsOf: (move: PlannedMove) => readonly number[]) =>
      own.flatMap((move) => idsOf(move).map((id) => `${move.partition}:${id}`));
    const [leaders, followers] = [
      listed(({ from }) => from),
      listed(({ from, to }) => to.filter((id) => !from.includes(id))),
    ];
    changes.push({
      type: "topic",
      name: topic,
      changes: [leaders, followers].map((entries, i) => ({
        name: REPLICAS[i]!,
        operation: "set",
        value: entries.join(),
      })),
    });
  }
  try {
    throwFirst(await admin.incrementalAlterConfigs(changes));
  } catch (error) {
    await unthrottle(admin, moves).catch(() => {});
    throw error;
  }
}

/** Takes away what {@linkcode throttle} set. */
export async function unthrottle(
  admin: Admin,
  moves: readonly PlannedMove[],
): Promise<void> {
  const topics = new Set(moves.map(({ topic }) => topic));
  throwFirst(
    await admin.incrementalAlterConfigs([
      ...(await aliveOf(admin, moves)).map((id) => freed("broker", String(id))),
      ...[...topics].map((topic) => freed("topic", topic)),
    ]),
  );
}

/** Everything in the cluster that is throttled, with what would end that. */
export async function throttled(admin: Admin): Promise<ResourceChange[]> {
  const { nodes } = await admin.describeCluster();
  const topics = await admin.listTopics();
  const described = await admin.describeConfigs([
    ...nodes.map(({ nodeId }) => ({
      type: "broker" as const,
      name: String(nodeId),
    })),
    ...topics.map(({ name }) => ({ type: "topic" as const, name })),
  ]);
  return described.filter(({ entries }) =>
    entries.some(({ name, isDefault, source }) =>
      [...RATES, ...REPLICAS].includes(name) && !isDefault &&
      source.startsWith("DYNAMIC_") &&
      source !== "DYNAMIC_DEFAULT_BROKER_CONFIG"
    )
  ).map(({ type, name }) => freed(type === "broker" ? type : "topic", name));
}

function freed(type: "broker" | "topic", name: string): ResourceChange {
  const names = type === "broker" ? RATES : REPLICAS;
  const changes = names.map((name): ConfigChange => ({
    name,
    operation: "delete",
  }));
  return { type, name, changes };
}

/** Who is concerned and can be told. */
async function aliveOf(
  admin: Admin,
  moves: readonly PlannedMove[],
): Promise<number[]> {
  const ids = new Set(moves.flatMap(({ from, to }) => [...from, ...to]));
  const { nodes } = await admin.describeCluster();
  return nodes.map(({ nodeId }) => nodeId).filter((id) => ids.has(id));
}

function throwFirst(outcomes: readonly Outcome[]): void {
  for (const { error } of outcomes) if (error !== undefined) throw error;
}
