/**
 * Any run of registrations, heartbeats, silence, proposals, elections, moves,
 * directories that fail and other controllers keeps what replication relies on.
 *
 * @module
 */
import { assert, assertEquals } from "@std/assert";
import fc from "fast-check";
import {
  assertSnapshotEqual,
  directory,
  incarnation,
  MetadataCluster,
  shown,
} from "../../tests/metadata_cluster.ts";
import { KafkaError } from "../errors.ts";
import { usesElr } from "./cluster_settings.ts";
import { directoryOf, isOnline } from "./directories.ts";
import { MetadataImage, type PartitionImage } from "./image.ts";
import { canLead } from "./replicas.ts";

const BROKERS = [1, 2, 3, 4, 5];

/** The log directories of a broker, of which it may have the first only. */
function directories(id: number): string[] {
  return [directory(id), directory(id + BROKERS.length)];
}

/** What a broker says of a replica whose directory it can't even name. */
const LOST = "AAAAAAAAAAAAAAAAAAAAAQ";

interface Operation {
  readonly op: string;
  readonly id: number;
  readonly n: number;
  readonly ids: readonly number[];
}

const OPERATIONS = [
  "register",
  "join",
  "join",
  "heartbeat",
  "heartbeat",
  "heartbeat",
  "late",
  "fence",
  "stop",
  "silence",
  "directoryFails",
  "assign",
  "propose",
  "propose",
  "propose",
  "preferred",
  "unclean",
  "balance",
  "move",
  "cancel",
  "takeOver",
  "unregister",
  "minIsr",
  "allowUnclean",
] as const;

const operation: fc.Arbitrary<Operation> = fc.record({
  op: fc.constantFrom(...OPERATIONS),
  id: fc.constantFrom(...BROKERS),
  n: fc.nat(5),
  ids: fc.uniqueArray(fc.constantFrom(...BROKERS), {
    minLength: 1,
    maxLength: 4,
  }),
});

/** What a run knows besides the cluster. */
class Run {
  readonly cluster = new MetadataCluster();
  /** Whether the last step may have lost records. */
  isUnclean = false;
  /** Whether it was a leader's proposal. */
  isProposal = false;
  #incarnations = 0;

  constructor(hasElr: boolean) {
    const { cluster } = this;
    for (const id of [2, 3]) cluster.join(incarnation(id, 0), id);
    if (!hasElr) {
      const update = { maxVersionLevel: 0, upgradeType: 2 };
      const feature = "eligible.leader.replicas.version";
      cluster.run({
        type: "updateFeatures",
        featureUpdates: [{ feature, ...update }],
        validateOnly: false,
      });
    }
    cluster.create([{
      name: "t",
      numPartitions: 2,
      replicationFactor: 3,
      configs: [{ name: "min.insync.replicas", value: "2" }],
    }]);
  }

  /** Requests of brokers and people; what is refused changes nothing. */
  step(operation: Operation): void {
    if (operation.op === "join") {
      this.step({ ...operation, op: "register", n: 3 });
      return this.step({ ...operation, op: "heartbeat" });
    }
    const before = this.#partitions();
    this.isUnclean = operation.op === "unclean" ||
      this.cluster.image.configs(2, "t")
          .get("unclean.leader.election.enable") === "true";
    this.isProposal = operation.op === "propose";
    try {
      this.#run(operation);
    } catch (error) {
      assert(error instanceof KafkaError, String(error));
      return;
    }
    if (operation.op === "register") this.#checkForgotten(operation);
    for (const [index, after] of this.#partitions().entries()) {
      checkPartition(before[index]!, after, this);
    }
  }

  /** Whoever comes back uncleanly is neither in sync nor eligible. */
  #checkForgotten({ id, n }: Operation): void {
    if (n % 2 === 0 || !usesElr(this.cluster.image)) return;
    for (const { isr, eligibleLeaderReplicas } of this.#partitions()) {
      assert(!isr.includes(id) && !eligibleLeaderReplicas.includes(id));
    }
  }

  #partitions(): PartitionImage[] {
    return [...this.cluster.image.topic("t")!.partitions];
  }

  #run({ op, id, n, ids }: Operation): void {
    const { cluster } = this;
    const broker = cluster.image.broker(id);
    switch (op) {
      case "register":
        cluster.nowMs += n * 4_000;
        return void cluster.register(id, {
          incarnationId: incarnation(id, ++this.#incarnations),
          previousBrokerEpoch: n % 2 === 0 ? broker?.epoch ?? -1 : -1,
          logDirs: directories(id).slice(0, 1 + ids.length % 2),
        });
      case "heartbeat":
        return void cluster.heartbeat(id);
      case "late": {
        const currentMetadataOffset = cluster.offset - 1 - n;
        return void cluster.heartbeat(id, { currentMetadataOffset });
      }
      case "fence":
        return void cluster.heartbeat(id, { wantFence: true });
      case "stop":
        return void cluster.heartbeat(id, { wantShutDown: true });
      case "directoryFails": {
        const offlineLogDirs = [directories(id)[n % 2]!];
        return void cluster.heartbeat(id, { offlineLogDirs });
      }
      case "assign":
        return this.#assign({ op, id, n, ids });
      case "silence":
        cluster.nowMs += n * 2_000;
        return void cluster.run({ type: "fenceStale" });
      case "takeOver":
        return cluster.takeOver();
      case "unregister":
        if (n > 0) return;
        return void cluster.run({ type: "unregisterBroker", brokerId: id });
      default:
        return this.#change({ op, id, n, ids });
    }
  }

  #assign({ id, n, ids }: Operation): void {
    const { cluster } = this;
    const directory = [...directories(id), LOST][n % 3]!;
    const partitions = [{ partitionIndex: ids.length % 2 }];
    const topicId = cluster.image.topic("t")!.id;
    cluster.run({
      type: "assignReplicasToDirs",
      brokerId: id,
      brokerEpoch: cluster.image.broker(id)?.epoch ?? -1,
      directories: [{ id: directory, topics: [{ topicId, partitions }] }],
    });
  }

  #change({ op, n, ids }: Operation): void {
    const { cluster } = this;
    const index = n % 2;
    const elect = (electionType: number) =>
      void cluster.run({
        type: "electLeaders",
        electionType,
        topicPartitions: null,
      });
    switch (op) {
      case "propose": {
        const { leader, leaderEpoch, partitionEpoch, leaderRecoveryState } =
          cluster.partition("t", index);
        return void cluster.propose([...new Set([leader, ...ids])], {
          from: leader,
          index,
          leaderEpoch: leaderEpoch - Number(n === 4),
          partitionEpoch: partitionEpoch - Number(n === 5),
          leaderRecoveryState: n === 3 ? leaderRecoveryState : 0,
        });
      }
      case "preferred":
        return elect(0);
      case "unclean":
        return elect(1);
      case "balance":
        return void cluster.run({ type: "balanceLeaders" });
      case "move":
        return void cluster.move(ids);
      case "cancel":
        return void cluster.move(null);
      case "minIsr":
        return void cluster.alter([["min.insync.replicas", 0, `${1 + n % 3}`]]);
      case "allowUnclean": {
        const name = "unclean.leader.election.enable";
        return void cluster.alter([[name, 0, String(n === 0)]]);
      }
    }
  }
}

function checkPartition(
  before: PartitionImage,
  after: PartitionImage,
  { isUnclean, isProposal, cluster }: Run,
): void {
  const { leader, isr, replicas, eligibleLeaderReplicas: elr } = after;
  const says = JSON.stringify([before, after]);
  assert(isr.every((id) => replicas.includes(id)), `ISR ⊆ replicas: ${says}`);
  // Without ELR the last one stays, dead or alive.
  const isKept = leader === -1 && isr.length === 1;
  assert(
    isKept || isr.every((id) => canLead(cluster.image, id)),
    `who is in sync lives and stays: ${says}`,
  );
  assert(leader === -1 || isr.includes(leader), `leader ∈ ISR: ${says}`);
  assert(elr.every((id) => !isr.includes(id)), `ELR apart from ISR: ${says}`);
  assert(elr.every((id) => replicas.includes(id)), `ELR ⊆ replicas: ${says}`);
  assert(new Set(isr).size === isr.length, says);
  assert(after.leaderEpoch >= before.leaderEpoch, says);
  assert(after.partitionEpoch >= before.partitionEpoch, says);
  assertEquals(after.directories.length, replicas.length);
  const isNew = leader !== before.leader;
  assert(!isNew || after.leaderEpoch > before.leaderEpoch, says);
  if (leader === -1) return;
  const canServe = (id: number) =>
    canLead(cluster.image, id) &&
    isOnline(cluster.image, id, directoryOf(after, id));
  assert(canServe(leader), `the leader lives and stays: ${says}`);
  if (!isNew) return;
  // Who is eligible knows all, but what the last in sync have added since.
  const wasEligible = before.eligibleLeaderReplicas.includes(leader) &&
    !before.isr.some(canServe);
  const wasSafe = before.isr.includes(leader) || isProposal || wasEligible;
  const wasLast = before.lastKnownElr.join() === String(leader);
  assert(wasSafe || wasLast || isUnclean, `nothing is lost: ${says}`);
  if (!wasSafe) assertEquals(after.leaderRecoveryState, 1, says);
}

Deno.test("any run of brokers and people keeps what replication relies on", () => {
  fc.assert(
    fc.property(
      fc.boolean(),
      fc.array(operation, { maxLength: 80, size: "max" }),
      (hasElr, operations) => {
        const run = new Run(hasElr);
        for (const each of operations) run.step(each);
        const image = new MetadataImage();
        for (const record of run.cluster.history) image.apply(record);
        assertEquals(shown(image), shown(run.cluster.image), "replayed");
        assertSnapshotEqual(run.cluster.image);
        assertIndexed(run.cluster.image);
      },
    ),
    { numRuns: 150 },
  );
});

/** The index says what a look at every partition says. */
function assertIndexed(image: MetadataImage): void {
  const all = [...image.topics.values()].flatMap((topic) =>
    topic.partitions.map((partition, index) => ({
      at: `${topic.name}-${index}`,
      partition,
    }))
  );
  const shownPlaces = (places: ReturnType<MetadataImage["partitionsOf"]>) =>
    [...places].map(({ topic, index }) => `${topic.name}-${index}`).sort();
  for (const id of BROKERS) {
    assertEquals(
      shownPlaces(image.partitionsOf(id)),
      all.filter(({ partition }) => partition.replicas.includes(id))
        .map(({ at }) => at).sort(),
    );
  }
  assertEquals(
    shownPlaces(image.leaderlessPartitions()),
    all.filter(({ partition }) => partition.leader === -1).map(({ at }) => at)
      .sort(),
  );
}
