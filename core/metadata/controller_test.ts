/**
 * The controller's decisions: Kafka's answers to good and bad requests, and
 * that deciding changes nothing.
 *
 * @module
 */
import { assert, assertEquals, assertThrows } from "@std/assert";
import fc from "fast-check";
import { ZERO_UUID } from "../bytes/uuid.ts";
import { KafkaError } from "../errors.ts";
import {
  assertSnapshotEqual,
  incarnation,
  MetadataCluster as Cluster,
} from "../../tests/metadata_cluster.ts";
import type { ControllerRegistration } from "./controller.ts";
import { MetadataImage, RESOURCE_TYPE } from "./image.ts";
import { type MetadataRecord, metadataRecord } from "./records.ts";
import { snapshotRecords } from "./snapshot.ts";

Deno.test("bootstrap writes the features once", () => {
  const cluster = new Cluster();
  assertEquals([...cluster.image.features], [
    ["metadata.version", 27],
    ["eligible.leader.replicas.version", 1],
    ["group.version", 1],
    ["transaction.version", 2],
  ]);
  assertEquals([...cluster.image.configs(RESOURCE_TYPE.BROKER, "")], [
    ["min.insync.replicas", "1"],
  ]);
  const { offset } = cluster;
  cluster.run({ type: "bootstrap" });
  assertEquals(cluster.offset, offset);
});

Deno.test("createTopics answers each bad topic with Kafka's error", () => {
  const cluster = new Cluster({ "num.partitions": "3" });
  assertEquals(cluster.create([{ name: "a.b", numPartitions: -1 }]), ["NONE"]);
  assertEquals(cluster.image.topic("a.b")!.partitions.length, 3);
  assertEquals(
    cluster.create([
      { name: "a.b" },
      { name: "a_b" },
      { name: "" },
      { name: ".." },
      { name: "x y" },
      { name: "n".repeat(250) },
      { name: "rf", replicationFactor: 2 },
      { name: "rf0", replicationFactor: 0 },
      { name: "p0", numPartitions: 0 },
      { name: "big", numPartitions: 10001 },
      { name: "key", configs: [{ name: "retention.m", value: "1" }] },
      { name: "null", configs: [{ name: "retention.ms", value: null }] },
      { name: "fine" },
    ]),
    [
      "TOPIC_ALREADY_EXISTS",
      "INVALID_TOPIC_EXCEPTION",
      "INVALID_TOPIC_EXCEPTION",
      "INVALID_TOPIC_EXCEPTION",
      "INVALID_TOPIC_EXCEPTION",
      "INVALID_TOPIC_EXCEPTION",
      "INVALID_REPLICATION_FACTOR",
      "INVALID_REPLICATION_FACTOR",
      "INVALID_PARTITIONS",
      "POLICY_VIOLATION",
      "INVALID_CONFIG",
      "INVALID_CONFIG",
      "NONE",
    ],
  );
  assertEquals(cluster.create([{ name: "d" }, { name: "d" }, { name: "e" }]), [
    "INVALID_REQUEST",
    "NONE",
  ]);
  assertEquals(cluster.create([{ name: "v" }], true), ["NONE"]);
  assertEquals(cluster.image.topic("v"), undefined);
});

Deno.test("createTopics checks assigned replicas", () => {
  const cluster = new Cluster();
  const assigned = (brokers: number[][], from = 0, numPartitions = -1) =>
    cluster.create([{
      name: `t${cluster.offset}`,
      numPartitions,
      replicationFactor: -1,
      assignments: brokers.map((brokerIds, index) => ({
        partitionIndex: from + index,
        brokerIds,
      })),
    }])[0];
  assertEquals(assigned([[1], [1]]), "NONE");
  assertEquals(assigned([[1]], 1), "INVALID_REPLICA_ASSIGNMENT");
  assertEquals(assigned([[2]]), "INVALID_REPLICA_ASSIGNMENT");
  assertEquals(assigned([[1, 1]]), "INVALID_REPLICA_ASSIGNMENT");
  assertEquals(assigned([[]]), "INVALID_REPLICA_ASSIGNMENT");
  assertEquals(assigned([[1]], 0, 1), "INVALID_REQUEST");
});

Deno.test("deleteTopics takes names or ids, and the configs go too", () => {
  const cluster = new Cluster();
  cluster.create([
    { name: "t", configs: [{ name: "retention.ms", value: "5" }] },
    { name: "u" },
  ]);
  const { id } = cluster.image.topic("u")!;
  const reply = cluster.run({
    type: "deleteTopics",
    topics: [
      { name: "t", topicId: ZERO_UUID },
      { name: null, topicId: id },
      { name: "u", topicId: ZERO_UUID },
      { name: "no", topicId: ZERO_UUID },
      { name: null, topicId: "AAAAAAAAAAAAAAAAAAAA_w" },
      { name: null, topicId: ZERO_UUID },
    ],
  });
  assert(reply.type === "deleteTopics");
  assertEquals(reply.topics.map(({ error }) => error), [
    "NONE",
    "NONE",
    "INVALID_REQUEST",
    "UNKNOWN_TOPIC_OR_PARTITION",
    "UNKNOWN_TOPIC_ID",
    "INVALID_REQUEST",
  ]);
  assertEquals(cluster.image.topics.size, 0);
  assertEquals(cluster.image.configs(RESOURCE_TYPE.TOPIC, "t").size, 0);
});

Deno.test("createPartitions only widens", () => {
  const cluster = new Cluster();
  cluster.create([{ name: "t", numPartitions: 2 }]);
  const widen = (count: number, brokers: number[][] | null = null) => {
    const reply = cluster.run({
      type: "createPartitions",
      validateOnly: false,
      topics: [{
        name: "t",
        count,
        assignments: brokers?.map((brokerIds) => ({ brokerIds })) ?? null,
      }],
    });
    assert(reply.type === "createPartitions");
    return reply.topics[0]!.error;
  };
  assertEquals(widen(2), "INVALID_PARTITIONS");
  assertEquals(widen(1), "INVALID_PARTITIONS");
  assertEquals(widen(4, [[1]]), "INVALID_REPLICA_ASSIGNMENT");
  assertEquals(widen(3, [[9]]), "INVALID_REPLICA_ASSIGNMENT");
  assertEquals(widen(3, [[1]]), "NONE");
  assertEquals(widen(5), "NONE");
  assertEquals(cluster.image.topic("t")!.partitions.length, 5);
});

Deno.test("incrementalAlterConfigs sets, deletes, appends and subtracts", () => {
  const cluster = new Cluster();
  cluster.create([{ name: "t" }]);
  const configs = () => [...cluster.image.configs(RESOURCE_TYPE.TOPIC, "t")];
  assertEquals(cluster.alter([["cleanup.policy", 2, "compact"]]), "NONE");
  assertEquals(configs(), [["cleanup.policy", "delete,compact"]]);
  assertEquals(cluster.alter([["cleanup.policy", 3, "delete"]]), "NONE");
  assertEquals(configs(), [["cleanup.policy", "compact"]]);
  assertEquals(cluster.alter([["cleanup.policy", 1, null]]), "NONE");
  assertEquals(configs(), []);
  assertEquals(cluster.alter([["retention.ms", 2, "1"]]), "INVALID_CONFIG");
  assertEquals(cluster.alter([["retention.ms", 0, "x"]]), "INVALID_CONFIG");
  assertEquals(cluster.alter([["nope", 1, null]]), "NONE");
  assertEquals(cluster.alter([["nope", 0, "1"]]), "INVALID_CONFIG");
  assertEquals(cluster.alter([["retention.ms", 0, null]]), "INVALID_REQUEST");
  const broker = (name: string, value: string, id = "1") =>
    cluster.alter([[name, 0, value]], [RESOURCE_TYPE.BROKER, id]);
  assertEquals(broker("log.retention.ms", "5", ""), "NONE");
  assertEquals(broker("node.id", "5"), "INVALID_REQUEST");
  assertEquals(
    broker("log.retention.ms", "5", "9"),
    "INVALID_REQUEST",
  );
  assertEquals(broker("log.retention.ms", "5", "x"), "INVALID_REQUEST");
});

Deno.test("a broker's next incarnation gets a new epoch and leads again", () => {
  const cluster = new Cluster();
  cluster.create([{ name: "t" }]);
  const epochs = () => cluster.image.partition("t", 0)!;
  const before = cluster.offset;
  const brokerEpoch = cluster.join("AAAAAAAAAAAAAAAAAAAACA");
  assertEquals(brokerEpoch, before);
  assertEquals(epochs().leader, 1);
  assertEquals(epochs().leaderEpoch, 2);
  assertEquals(epochs().partitionEpoch, 2);
  cluster.heartbeat(1, { wantShutDown: true });
  assertEquals(epochs().leader, -1);
  assertEquals(epochs().isr, []);
  assertEquals(epochs().eligibleLeaderReplicas, [1]);
  const error = assertThrows(
    () => cluster.heartbeat(1, { brokerEpoch: 0 }),
    KafkaError,
  );
  assertEquals(error.error, "STALE_BROKER_EPOCH");
});

Deno.test("an eligible replica leads when none is in sync, and then no other is eligible", () => {
  const cluster = new Cluster();
  cluster.create([{ name: "t" }]);
  cluster.join("AAAAAAAAAAAAAAAAAAAACA");
  cluster.heartbeat(1, { wantFence: true });
  const { id: topicId } = cluster.image.topic("t")!;
  const apply = (record: MetadataRecord) => cluster.controller.apply(record);
  const elr = (ids: number[]) =>
    metadataRecord("PartitionChange", {
      partitionId: 0,
      topicId,
      isr: [],
      eligibleLeaderReplicas: ids,
      lastKnownElr: ids,
    });
  apply(elr([1, 2]));
  assertSnapshotEqual(cluster.image);
  apply(metadataRecord("ClearElr", { topicName: "t" }));
  cluster.heartbeat(1);
  assertEquals(cluster.image.partition("t", 0)!.leader, -1);
  cluster.heartbeat(1, { wantFence: true });
  apply(elr([1, 2]));
  cluster.heartbeat(1);
  const { leader, isr, eligibleLeaderReplicas, lastKnownElr } = cluster.image
    .partition("t", 0)!;
  assertEquals([leader, isr], [1, [1]]);
  assertEquals([eligibleLeaderReplicas, lastKnownElr], [[], []]);
});

Deno.test("controllers that have registered stay in the image until they are removed", () => {
  const cluster = new Cluster();
  const controller = metadataRecord("RegisterController", { controllerId: 7 });
  cluster.controller.apply(controller);
  assertEquals([...cluster.image.controllers.values()], [controller.value]);
  assertSnapshotEqual(cluster.image);
  const { controllerId } = controller.value;
  cluster.controller.apply(
    metadataRecord("UnregisterController", { controllerId }),
  );
  assertEquals(cluster.image.controllers.size, 0);
});

Deno.test("a controller is forgotten where metadata.version knows it, and not the active one", () => {
  const cluster = new Cluster();
  cluster.controller.apply(
    metadataRecord("RegisterController", { controllerId: 7 }),
  );
  const forget = (controllerId: number) =>
    cluster.run({ type: "unregisterController", controllerId });
  const refused = (controllerId: number) =>
    assertThrows(() => forget(controllerId), KafkaError).error;
  assertEquals(refused(7), "UNSUPPORTED_VERSION");
  cluster.controller.apply(
    metadataRecord("FeatureLevel", {
      name: "metadata.version",
      featureLevel: 33,
    }),
  );
  assertEquals(refused(1), "INVALID_REQUEST");
  assertEquals(refused(8), "CONTROLLER_ID_NOT_REGISTERED");
  forget(7);
  assertEquals(cluster.image.controllers.size, 0);
});

Deno.test("access control entries and delegation tokens are kept until they are removed", () => {
  const { image } = new Cluster();
  const id = incarnation(1, 2);
  const entry = metadataRecord("AccessControlEntry", {
    id,
    resourceType: 2,
    resourceName: "t",
    patternType: 3,
    principal: "User:a",
    host: "*",
    operation: 3,
    permissionType: 3,
  });
  const token = metadataRecord("DelegationToken", {
    owner: "User:a",
    requester: "User:a",
    renewers: ["User:b"],
    maxTimestamp: 7,
    tokenId: "x",
  });
  for (const record of [entry, token]) image.apply(record);
  // Clusters that once had ZooKeeper tell of it.
  image.apply(metadataRecord("ZkMigrationState", { zkMigrationState: 4 }));
  assertEquals([...image.acls.values()], [entry.value]);
  assertEquals([...image.delegationTokens.values()], [token.value]);
  assertSnapshotEqual(image);
  image.apply(metadataRecord("RemoveAccessControlEntry", { id }));
  image.apply(metadataRecord("RemoveDelegationToken", { tokenId: "x" }));
  assertEquals([image.acls.size, image.delegationTokens.size], [0, 0]);
});

Deno.test("a controller registers where metadata.version knows it, and a level that it can't take is refused", () => {
  const cluster = new Cluster();
  const registration: ControllerRegistration = {
    controllerId: 7,
    incarnationId: incarnation(7, 0),
    endPoints: [
      { name: "CONTROLLER", host: "c", port: 9093, securityProtocol: 0 },
    ],
    features: [{
      name: "metadata.version",
      minSupportedVersion: 7,
      maxSupportedVersion: 27,
    }],
  };
  const register = () =>
    cluster.run({ type: "registerController", ...registration });
  register();
  assertEquals([...cluster.image.controllers.values()], [
    { ...registration, zkMigrationReady: false },
  ]);
  const { result } = cluster.run({
    type: "updateFeatures",
    featureUpdates: [
      { feature: "metadata.version", maxVersionLevel: 28, upgradeType: 1 },
    ],
    validateOnly: false,
  });
  assertEquals(
    result.message,
    "Cannot set metadata.version to 28: controller 7 supports levels 7 to 27",
  );
  cluster.controller.apply(
    metadataRecord("FeatureLevel", {
      name: "metadata.version",
      featureLevel: 14,
    }),
  );
  const error = assertThrows(register, KafkaError);
  assertEquals(error.error, "UNSUPPORTED_VERSION");
});

Deno.test("producer id blocks never overlap", () => {
  const cluster = new Cluster();
  const brokerEpoch = cluster.image.broker(1)!.epoch;
  const take = () =>
    cluster.run({ type: "allocateProducerIds", brokerId: 1, brokerEpoch });
  const type = "allocateProducerIds";
  assertEquals(take(), { type, firstProducerId: 0, length: 1000 });
  assertEquals(take(), { type, firstProducerId: 1000, length: 1000 });
});

Deno.test("any run of operations keeps invariants, and snapshots are the image", () => {
  const name = fc.constantFrom("t", "u", "v.w", "v_w");
  const operation = fc.oneof(
    fc.record({ op: fc.constant("create"), name, n: fc.integer({ max: 5 }) }),
    fc.record({ op: fc.constant("delete"), name, n: fc.nat(1) }),
    fc.record({ op: fc.constant("widen"), name, n: fc.nat(8) }),
    fc.record({ op: fc.constant("alter"), name, n: fc.nat(9) }),
    fc.record({ op: fc.constant("restart"), name, n: fc.nat(60) }),
    fc.record({ op: fc.constant("ids"), name, n: fc.nat(1) }),
    fc.record({ op: fc.constant("quota"), name, n: fc.nat(3) }),
    fc.record({ op: fc.constant("scram"), name, n: fc.nat(3) }),
    fc.record({
      op: fc.constant("feature"),
      name,
      n: fc.integer({ min: 22, max: 30 }),
    }),
  );
  fc.assert(
    fc.property(fc.array(operation, { maxLength: 25 }), (operations) => {
      const cluster = new Cluster();
      for (const { op, name, n } of operations) step(cluster, { op, name, n });
      for (const topic of cluster.image.topics.values()) {
        assertEquals(cluster.image.topicById(topic.id), topic);
        for (const partition of topic.partitions) {
          assertEquals(partition.leader, 1);
        }
      }
      assertSnapshotEqual(cluster.image);
    }),
    { numRuns: 60 },
  );
});

function step(
  cluster: Cluster,
  { op, name, n }: { op: string; name: string; n: number },
): void {
  if (op === "create") cluster.create([{ name, numPartitions: n }]);
  if (op === "delete") {
    const topics = [{ name, topicId: ZERO_UUID }];
    cluster.run({ type: "deleteTopics", topics });
  }
  if (op === "widen") {
    const topics = [{ name, count: n, assignments: null }];
    cluster.run({ type: "createPartitions", topics, validateOnly: n === 8 });
  }
  if (op === "alter") {
    const value = n === 0 ? null : String(n);
    const topic: [number, string] = [RESOURCE_TYPE.TOPIC, name];
    cluster.alter([["retention.ms", n === 0 ? 1 : 0, value]], topic);
  }
  if (op === "quota") {
    cluster.run({
      type: "alterClientQuotas",
      entries: [{
        entity: [{ entityType: "user", entityName: n === 3 ? null : name }],
        ops: [{ key: "request_percentage", value: n, remove: n === 0 }],
      }],
      validateOnly: n === 2,
    });
  }
  if (op === "scram") {
    const user = { name, mechanism: 1 + n % 2 };
    const key = Uint8Array.of(n);
    const keys = { salt: key, storedKey: key, serverKey: key };
    cluster.run({
      type: "alterUserScramCredentials",
      deletions: n === 0 ? [user] : [],
      upsertions: n === 0 ? [] : [{ ...user, ...keys, iterations: 4095 + n }],
    });
  }
  if (op === "feature") {
    const update = { feature: "metadata.version", maxVersionLevel: n };
    cluster.run({
      type: "updateFeatures",
      featureUpdates: [{ ...update, upgradeType: 1 + n % 2 }],
      validateOnly: false,
    });
  }
  if (op === "restart") {
    const last = String.fromCharCode(65 + n % 26);
    cluster.join(`AAAAAAAAAAAAAAAAAAA${last}AA`);
  }
  if (op === "ids") {
    const brokerEpoch = cluster.image.broker(1)!.epoch;
    cluster.run({ type: "allocateProducerIds", brokerId: 1, brokerEpoch });
  }
}

Deno.test("a delta names what changed, and a topic made and gone is nothing", () => {
  const cluster = new Cluster();
  const image = new MetadataImage();
  cluster.create([{ name: "t", numPartitions: 2 }]);
  for (const record of snapshotRecords(cluster.image)) image.apply(record);
  const delta = image.takeDelta();
  assertEquals([...delta.createdTopics], ["t"]);
  assertEquals([...delta.partitions.get("t")!], [0, 1]);
  assertEquals([...delta.brokers], [1]);
  assertEquals(image.takeDelta().createdTopics.size, 0);
});
