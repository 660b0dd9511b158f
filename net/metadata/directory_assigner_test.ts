/**
 * What a broker whose folder is a new one, or takes no more, tells the controller
 * of its replicas: when, how much at once, and again when it came to nothing.
 *
 * @module
 */
import { assert, assertEquals } from "@std/assert";
import { denoEnv } from "../../core/env/deno_env.ts";
import { DIRECTORY } from "../../core/metadata/directories.ts";
import { metadataRecord } from "../../core/metadata/records.ts";
import { until } from "../../tests/fixtures.ts";
import {
  directory,
  type MetadataCluster,
  replicated,
} from "../../tests/metadata_cluster.ts";
import {
  DirectoryAssigner,
  type DirectoryAssignerOptions,
} from "./directory_assigner.ts";

const NEW = "AAAAAAAAAAAAAAAAAAAE_w";

type Request = Parameters<DirectoryAssignerOptions["request"]>[0];

/** Broker 3 of `cluster`; `refusals` requests fail before one doesn't. */
function assignerOf(
  { image }: MetadataCluster,
  { directoryId = NEW, refusals = 0, nodeId = 3 } = {},
) {
  const disk = { isFull: false };
  const env = denoEnv({ traceLevel: "error" });
  const told: string[] = [];
  const requests: Request[] = [];
  const assigner = new DirectoryAssigner({
    env: { ...env, trace: (_: string, event: string) => void told.push(event) },
    nodeId,
    directoryId,
    image,
    brokerEpoch: () => 7,
    isRefused: () => disk.isFull,
    request: (body) => {
      requests.push(body);
      if (requests.length === 1 && refusals > 0) throw new Error("unreachable");
      const errorCode = requests.length <= refusals ? 41 : 0;
      const answer = { throttleTimeMs: 0, errorCode, directories: [] };
      return Promise.resolve(answer);
    },
  });
  return {
    assigner,
    disk,
    requests,
    told,
    async [Symbol.asyncDispose]() {
      assigner.close();
      await env.tasks.settled();
    },
  };
}

/** How many replicas each request names. */
function sizes(requests: readonly Request[]): number[] {
  return requests.map(({ directories = [] }) =>
    directories.flatMap(({ topics = [] }) =>
      topics.flatMap(({ partitions = [] }) => partitions)
    ).length
  );
}

Deno.test("a broker in its old folder has nothing to tell", async () => {
  const cluster = replicated();
  await using broker = assignerOf(cluster, { directoryId: directory(3) });
  broker.assigner.start();
  assertEquals(broker.requests, []);
});

Deno.test("metadata of a version without directories are not told of any", async () => {
  const cluster = replicated();
  const level = { name: "metadata.version", featureLevel: 16 };
  cluster.controller.apply(metadataRecord("FeatureLevel", level));
  await using broker = assignerOf(cluster);
  broker.assigner.start();
  assertEquals(broker.requests, []);
});

Deno.test("a new folder is told of every replica, and again until it is noted", async () => {
  const cluster = replicated();
  await using broker = assignerOf(cluster, { refusals: 2 });
  broker.assigner.start();
  await until("it is noted", () => broker.requests.length === 3);
  const topics = [{
    topicId: cluster.image.topic("t")!.id,
    partitions: [{ partitionIndex: 0 }],
  }];
  const request = {
    brokerId: 3,
    brokerEpoch: 7,
    directories: [{ id: NEW, topics }],
  };
  assertEquals(broker.requests, [request, request, request]);
  assertEquals(broker.told.length, 2);
});

Deno.test("many replicas are told in several requests, and what changes later, too", async () => {
  const cluster = replicated();
  cluster.create([{
    name: "many",
    numPartitions: -1,
    replicationFactor: -1,
    assignments: Array.from({ length: 3000 }, (_, partitionIndex) => ({
      partitionIndex,
      brokerIds: [1, 3],
    })),
  }]);
  await using broker = assignerOf(cluster);
  broker.assigner.start();
  await until("all are told", () => broker.requests.length === 2);
  assertEquals(sizes(broker.requests), [2250, 751]);
  const { image } = cluster;
  image.takeDelta();
  image.apply(metadataRecord("PartitionChange", {
    partitionId: 5,
    topicId: image.topic("many")!.id,
    isr: [1],
    leader: 1,
  }));
  broker.assigner.changed(image.takeDelta());
  await until("it is told", () => broker.requests.length === 3);
  assertEquals(sizes(broker.requests).at(-1), 1);
  assert(broker.told.length === 0);
});

/** Has `changed` of partition 0 of "t" noted, and tells the broker of it. */
function note(
  { image }: MetadataCluster,
  { assigner }: Pick<ReturnType<typeof assignerOf>, "assigner">,
  changed: { isr?: number[]; leader?: number; directories?: string[] },
): void {
  image.takeDelta();
  const topicId = image.topic("t")!.id;
  const place = { partitionId: 0, topicId };
  image.apply(metadataRecord("PartitionChange", { ...place, ...changed }));
  assigner.changed(image.takeDelta());
}

Deno.test("a replica whose disk refuses writes counts as lost while others are in sync, until it takes them again", async () => {
  const cluster = replicated();
  const { replicas, leader, directories } = cluster.image.topic("t")!
    .partitions[0]!;
  const own = directory(leader);
  const options = { directoryId: own, nodeId: leader };
  await using broker = assignerOf(cluster, options);
  const { assigner, disk, requests } = broker;
  const idsTold = () =>
    requests.map(({ directories = [] }) => directories.map(({ id }) => id));
  note(cluster, broker, { isr: [leader] });
  disk.isFull = true;
  assigner.start();
  assertEquals(idsTold(), [], "nobody else could lead");
  note(cluster, broker, { isr: [...replicas] });
  await until("it is told", () => requests.length === 1);
  assertEquals(idsTold(), [[DIRECTORY.LOST]]);
  const isr = replicas.filter((id) => id !== leader);
  const lost = replicas.map((id, i) =>
    id === leader ? DIRECTORY.LOST : directories[i]!
  );
  note(cluster, broker, { isr, leader: isr[0]!, directories: lost });
  assertEquals(requests.length, 1, "nobody waits for it");
  disk.isFull = false;
  await until("it is told by itself", () => requests.length === 2);
  assertEquals(idsTold()[1], [own]);
});
