/**
 * Which brokers a new partition's replicas go to: everyone alive leads in turn,
 * racks taking turns too; the other replicas go to other racks as long as there
 * are any, and to whoever holds least. Owns the choice; knows no topic and no
 * record.
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
  brokers: number;
  /** Replicas that its brokers were given. */
  load: number;
  /** Brokers that are still to lead in this round. */
  waiting: number;
  /** Its replicas of the partition that is being placed. */
  chosen: number;
}

interface Candidate {
  readonly id: number;
  readonly rack: Rack;
  readonly isFenced: boolean;
  /** Replicas that it was given. */
  load: number;
}

/** Replicas of each new partition; the first one leads and is unfenced. */
export function placeReplicas(
  brokers: Iterable<PlaceableBroker>,
  { partitions, replicationFactor, u32 }: PlacementOptions,
): number[][] {
  const all = candidates(brokers);
  const placed: number[][] = [];
  let waiting: Candidate[] = [];
  for (let index = 0; index < partitions; index++) {
    if (waiting.length === 0) {
      // Everyone had a turn to lead: go on in another order.
      shuffle(all, u32);
      waiting = all.filter(({ isFenced }) => !isFenced);
      for (const { rack } of waiting) rack.waiting++;
    }
    // Racks take turns: next is the one with the most who wait.
    const leader = least(
      waiting,
      (a, b) => b.rack.waiting - a.rack.waiting || a.load - b.load,
    );
    if (leader === undefined) break;
    waiting.splice(waiting.indexOf(leader), 1);
    leader.rack.waiting--;
    placed.push(placeOne(leader, { all, replicationFactor }));
  }
  return placed;
}

function candidates(brokers: Iterable<PlaceableBroker>): Candidate[] {
  const racks = new Map<string | null, Rack>();
  return Array.from(brokers, ({ id, rack: name, isFenced }) => {
    const rack = racks.get(name) ??
      { brokers: 0, load: 0, waiting: 0, chosen: 0 };
    racks.set(name, rack);
    rack.brokers++;
    return { id, rack, isFenced, load: 0 };
  });
}

function placeOne(
  leader: Candidate,
  { all, replicationFactor }: {
    readonly all: readonly Candidate[];
    readonly replicationFactor: number;
  },
): number[] {
  const chosen: Candidate[] = [];
  let next: Candidate | undefined = leader;
  while (next !== undefined) {
    chosen.push(next);
    next.load++;
    next.rack.load++;
    next.rack.chosen++;
    if (chosen.length === replicationFactor) break;
    next = least(
      all.filter((each) => !chosen.includes(each)),
      (a, b) =>
        a.rack.chosen - b.rack.chosen ||
        Number(a.isFenced) - Number(b.isFenced) ||
        a.rack.load / a.rack.brokers - b.rack.load / b.rack.brokers ||
        a.load - b.load,
    );
  }
  for (const { rack } of chosen) rack.chosen = 0;
  return chosen.map(({ id }) => id);
}

/** The first one that no other comes before. */
function least(
  items: readonly Candidate[],
  compare: (a: Candidate, b: Candidate) => number,
): Candidate | undefined {
  let [found] = items;
  for (const item of items) {
    if (compare(item, found!) < 0) found = item;
  }
  return found;
}

function shuffle<T>(items: T[], u32: () => number): void {
  for (let i = items.length - 1; i > 0; i--) {
    const j = u32() % (i + 1);
    [items[i], items[j]] = [items[j]!, items[i]!];
  }
}
