/**
 * One partition on three brokers over real sockets: what is produced comes to
 * all, and stays through elections, stops and lag.
 *
 * @module
 */
import { assert, assertEquals } from "@std/assert";
import { until } from "../../tests/fixtures.ts";
import { ERRORS } from "../../core/errors.ts";
import { ReplicaCluster } from "../../tests/replica_cluster.ts";

/** Waits until all three hold `values`, and know them committed. */
async function allHold(
  { brokers }: ReplicaCluster,
  values: string,
): Promise<void> {
  for (const broker of brokers.values()) {
    await until(`broker ${broker.id} holds ${values}`, () => {
      const { partition } = broker;
      return broker.values() === values &&
        partition.highWatermark === partition.log.logEndOffset;
    });
  }
}

Deno.test("what is produced with acks=all is on every replica, and read at each", async () => {
  await using cluster = new ReplicaCluster();
  cluster.create();
  assertEquals(await cluster.produce(1, "v1;"), 0);
  assertEquals(await cluster.produce(1, "v2;"), 0);
  await allHold(cluster, "v1;v2;");
  for (const id of [1, 2, 3]) {
    const { error, values } = await cluster.consume(id);
    assertEquals([error, values], [0, "v1;v2;"]);
  }
});

Deno.test("a consumer is sent to the follower in its rack where that is wanted", async () => {
  const selector = "org.apache.kafka.common.replica.RackAwareReplicaSelector";
  await using cluster = new ReplicaCluster({
    "replica.selector.class": selector,
  });
  cluster.create();
  assertEquals(await cluster.produce(1, "v1;"), 0);
  await allHold(cluster, "v1;");
  const ask = async (at: number, rack: string) => {
    const { preferredReadReplica, values } = await cluster.consume(at, rack);
    return [preferredReadReplica, values];
  };
  assertEquals(await ask(1, "rack-3"), [3, ""]);
  assertEquals(await ask(3, "rack-3"), [-1, "v1;"]);
  assertEquals(await ask(1, "rack-1"), [-1, "v1;"]);
  assertEquals(await ask(1, "nowhere"), [-1, "v1;"]);
  // Who isn't in sync may lag for ever.
  cluster.change({ isr: [1, 2] });
  cluster.brokers.get(3)!.replication.close();
  assertEquals(await ask(1, "rack-3"), [-1, "v1;"]);
});

Deno.test("only the leader takes records, and whoever waited there is told of another one", async () => {
  await using cluster = new ReplicaCluster();
  cluster.create();
  const { NOT_LEADER_OR_FOLLOWER } = ERRORS;
  assertEquals(await cluster.produce(2, "v1;"), NOT_LEADER_OR_FOLLOWER);
  assertEquals(cluster.hint, [1, 0, cluster.portOf(1)]);
  // Nobody fetches any more: what is produced waits.
  for (const id of [2, 3]) cluster.brokers.get(id)!.replication.close();
  const waiting = cluster.produce(1, "v1;");
  await until(
    "it is appended",
    () => cluster.brokers.get(1)!.partition.log.logEndOffset === 1,
  );
  cluster.change({ leader: 2, isr: [2, 3] });
  assertEquals(await waiting, NOT_LEADER_OR_FOLLOWER);
  assertEquals(cluster.hint, [2, 1, cluster.portOf(2)]);
});

Deno.test("a leader that comes back is cut where its log and the new leader's part", async () => {
  await using cluster = new ReplicaCluster();
  cluster.create();
  assertEquals(await cluster.produce(1, "v1;"), 0);
  await allHold(cluster, "v1;");
  // 1 leads on, for all it knows, and the others follow 2.
  cluster.change({ leader: 2, isr: [2, 3] }, { except: 1 });
  assertEquals(await cluster.produce(1, "v2;", { acks: 1 }), 0);
  assertEquals(await cluster.produce(2, "v3;"), 0);
  assertEquals(cluster.brokers.get(1)!.values(), "v1;v2;");
  await cluster.brokers.get(1)!.stop();
  cluster.start(1);
  await allHold(cluster, "v1;v3;");
  const isr = () => cluster.brokers.get(2)!.partition.isr;
  await until("it is in sync again", () => isr().includes(1));
});

Deno.test("a fetch of a follower's former process has nobody join those in sync", async () => {
  await using cluster = new ReplicaCluster();
  cluster.create();
  const { partition, image } = cluster.brokers.get(1)!;
  const former = image.broker(3)!.epoch;
  await cluster.brokers.get(3)!.stop();
  cluster.change({ isr: [1, 2] });
  // Back as another process, which has fetched nothing yet.
  cluster.start(3).replication.close();
  cluster.isDeaf = true;
  const fetched = (brokerEpoch: number) => {
    const fetch = { replicaId: 3, offset: 0, logStartOffset: 0 };
    partition.followerFetched({ ...fetch, brokerEpoch });
    return partition.isrProposal?.newIsr.at(-1);
  };
  assertEquals(fetched(former), undefined);
  const brokerEpoch = image.broker(3)!.epoch;
  assertEquals(fetched(brokerEpoch), { brokerId: 3, brokerEpoch });
});

Deno.test("a follower that lags is let go, and acks=all is refused below min.insync.replicas", async () => {
  await using cluster = new ReplicaCluster({
    "replica.lag.time.max.ms": "400",
    "min.insync.replicas": "2",
  });
  cluster.create();
  assertEquals(await cluster.produce(1, "v1;"), 0);
  cluster.brokers.get(3)!.replication.close();
  // It waits for the laggard, until that is out.
  assertEquals(await cluster.produce(1, "v2;"), 0);
  const leader = cluster.brokers.get(1)!;
  assertEquals(leader.partition.isr, [1, 2]);
  cluster.brokers.get(2)!.replication.close();
  assertEquals(await cluster.produce(1, "v3;", { timeoutMs: 300 }), 7);
  await until("2 is out too", () => leader.partition.isr.length === 1);
  assertEquals(
    await cluster.produce(1, "v4;"),
    ERRORS.NOT_ENOUGH_REPLICAS,
  );
  assertEquals(leader.partition.highWatermark, 2, "nothing is committed");
  const { replication } = leader.stats;
  assertEquals([replication.isrShrinks, replication.isrExpands], [2, 0]);
  const given = replication.bytesOut;
  const taken = cluster.brokers.get(2)!.stats.replication.bytesIn;
  assert(taken > 0 && given > taken, `${given} given, ${taken} taken`);
});

Deno.test("a proposal that the controller did not take is made again", async () => {
  await using cluster = new ReplicaCluster({
    "replica.lag.time.max.ms": "300",
  });
  cluster.create();
  cluster.isDeaf = true;
  cluster.brokers.get(3)!.replication.close();
  const waiting = cluster.produce(1, "v1;", { timeoutMs: 20_000 });
  const leader = cluster.brokers.get(1)!;
  await until("it is proposed", () => leader.partition.isrProposal);
  assert(leader.partition.highWatermark === 0, "the laggard counts still");
  cluster.isDeaf = false;
  assertEquals(await waiting, 0);
  assertEquals(leader.partition.isr, [1, 2]);
});

Deno.test("records are deleted when no replica that is up holds them", async () => {
  await using cluster = new ReplicaCluster();
  cluster.create();
  for (const value of ["v1;", "v2;", "v3;"]) {
    assertEquals(await cluster.produce(1, value), 0);
  }
  assertEquals(await cluster.deleteBefore(1, 10_000), [0, 1]);
  for (const { partition } of cluster.brokers.values()) {
    assertEquals(partition.log.logStartOffset, 1);
  }
  cluster.brokers.get(3)!.replication.close();
  const { REQUEST_TIMED_OUT } = ERRORS;
  assertEquals(await cluster.deleteBefore(2, 300), [REQUEST_TIMED_OUT, -1]);
});

Deno.test("a new replica starts over where the leader's log begins", async () => {
  await using cluster = new ReplicaCluster({
    "replica.lag.time.max.ms": "300",
  });
  cluster.create();
  cluster.brokers.get(3)!.replication.close();
  cluster.change({ isr: [1, 2] });
  for (const value of ["v1;", "v2;", "v3;"]) {
    assertEquals(await cluster.produce(1, value), 0);
  }
  cluster.brokers.get(1)!.partition.deleteRecords(2);
  await cluster.brokers.get(3)!.stop();
  cluster.start(3);
  await until("3 is in sync", () => {
    const { isr } = cluster.brokers.get(1)!.partition;
    return isr.includes(3);
  });
  const { log } = cluster.brokers.get(3)!.partition;
  assertEquals([log.logStartOffset, log.logEndOffset], [2, 3]);
  assertEquals(cluster.brokers.get(3)!.values(), "v3;");
});
