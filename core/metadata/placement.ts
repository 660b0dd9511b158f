/**
 * Which brokers a new partition's replicas go to: racks round robin from a
 * random offset, inside a rack unfenced brokers first. Owns the choice; knows
 * no topic and no record.
 *
 * @module
 */

/** What placement needs to know of a broker. */
export interface PlaceableBroker {
  readonly id: number;
  readonly rack: string | null;
  readonly isFenced: boolean;
}

/** How much to place. */
export interface PlacementOptions {
  readonly partitions: number;
  /** At most the number of brokers. */
  readonly replicationFactor: number;
  /** A uniform unsigned 32-bit integer. */
  readonly u32: () => number;
}

interface Rack {
  readonly unfenced: number[];
  readonly fenced: number[];
}

/** Replicas of each new partition; the first one leads and is unfenced. */
export function placeReplicas(
  brokers: Iterable<PlaceableBroker>,
  { partitions, replicationFactor, u32 }: PlacementOptions,
): number[][] {
  const racks = [...byRack(brokers).values()];
  const unfenced = racks.reduce((sum, rack) => sum + rack.unfenced.length, 0);
  const placed: number[][] = [];
  for (let index = 0; index < partitions; index++) {
    // A full round gave every broker a turn to lead: begin another order.
    if (index % unfenced === 0) racks.forEach((rack) => shuffleRack(rack, u32));
    const offset = index % unfenced === 0 ? u32() : index;
    placed.push(
      placeOne(rotated(racks, offset), { replicationFactor, turn: index }),
    );
  }
  return placed;
}

function byRack(brokers: Iterable<PlaceableBroker>): Map<string | null, Rack> {
  const racks = new Map<string | null, Rack>();
  for (const broker of brokers) {
    const rack = racks.get(broker.rack) ?? { unfenced: [], fenced: [] };
    racks.set(broker.rack, rack);
    (broker.isFenced ? rack.fenced : rack.unfenced).push(broker.id);
  }
  return racks;
}

function placeOne(
  racks: readonly Rack[],
  { replicationFactor, turn }: {
    readonly replicationFactor: number;
    readonly turn: number;
  },
): number[] {
  const queues = racks.map((rack) => [
    ...rotated(rack.unfenced, turn),
    ...rotated(rack.fenced, turn),
  ]);
  const first = racks.findIndex((rack) => rack.unfenced.length > 0);
  const order = rotated(queues, Math.max(0, first));
  const replicas: number[] = [];
  while (replicas.length < replicationFactor) {
    const before = replicas.length;
    for (const queue of order) {
      const id = queue.shift();
      if (id !== undefined && replicas.length < replicationFactor) {
        replicas.push(id);
      }
    }
    if (replicas.length === before) break;
  }
  return replicas;
}

function rotated<T>(items: readonly T[], by: number): T[] {
  if (items.length === 0) return [];
  const at = by % items.length;
  return [...items.slice(at), ...items.slice(0, at)];
}

function shuffleRack(rack: Rack, u32: () => number): void {
  for (const ids of [rack.unfenced, rack.fenced]) {
    for (let i = ids.length - 1; i > 0; i--) {
      const j = u32() % (i + 1);
      [ids[i], ids[j]] = [ids[j]!, ids[i]!];
    }
  }
}
