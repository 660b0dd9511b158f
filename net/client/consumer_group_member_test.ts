/**
 * A consumer whose partitions the broker divides, against a scripted broker in
 * memory: refusals, a coordinator that moves, epochs that pass.
 *
 * @module
 */
import { assertEquals, assertRejects } from "@std/assert";
import { denoEnv } from "../../core/env/deno_env.ts";
import { type ErrorName, ERRORS, KafkaError } from "../../core/errors.ts";
import { LIMITS } from "../../core/limits.ts";
import { decode } from "../../core/schema/codec.ts";
import type { Input, Message } from "../../core/schema/schema.ts";
import { until } from "../../tests/fixtures.ts";
import { FrameReader } from "../link/frame_reader.ts";
import { memoryTransport } from "../tcp/memory_tcp.ts";
import type { Connection } from "../tcp/transport.ts";
import { FETCH } from "../wire/01_fetch.ts";
import { METADATA } from "../wire/03_metadata.ts";
import {
  OFFSET_COMMIT,
  type OffsetCommitRequest,
  type OffsetCommitResponse,
} from "../wire/08_offset_commit.ts";
import {
  OFFSET_FETCH,
  type OffsetFetchRequest,
  type OffsetFetchResponse,
} from "../wire/09_offset_fetch.ts";
import { FIND_COORDINATOR } from "../wire/10_find_coordinator.ts";
import { API_VERSIONS } from "../wire/18_api_versions.ts";
import {
  CONSUMER_GROUP_HEARTBEAT,
  type ConsumerGroupHeartbeatRequest,
  type ConsumerGroupHeartbeatResponse,
} from "../wire/68_consumer_group_heartbeat.ts";
import type { Api } from "../wire/api.ts";
import { decodeRequestHeader, encodeResponse } from "../wire/headers.ts";
import { Consumer } from "./consumer.ts";

const TOPIC_ID = "AAAAAAAAAAAAAAAAAAAABQ";
const APIS: readonly Api[] = [
  FETCH,
  METADATA,
  OFFSET_COMMIT,
  OFFSET_FETCH,
  FIND_COORDINATOR,
  API_VERSIONS,
  CONSUMER_GROUP_HEARTBEAT,
];

/** What the broker got, and what it answers. */
interface Script {
  readonly port: number;
  /** Heartbeats, in order. */
  readonly beats: ConsumerGroupHeartbeatRequest[];
  /** Epochs that were committed with. */
  readonly commits: number[];
  /** Members and epochs that offsets were read as. */
  readonly readers: (readonly [string | null, number])[];
  lookups: number;
  readonly judge: (
    beat: ConsumerGroupHeartbeatRequest,
    index: number,
  ) => ErrorName | Assigned;
  readonly judgeCommit?: (epoch: number) => ErrorName;
}

/** An epoch, and the partitions of topic `t`; undefined stands for no change. */
type Assigned = readonly [epoch: number, partitions?: readonly number[]];

function heartbeatAnswer(
  verdict: ErrorName | Assigned,
): ConsumerGroupHeartbeatResponse {
  if (typeof verdict === "string") return { errorCode: ERRORS[verdict] };
  const [memberEpoch, partitions] = verdict;
  return {
    memberEpoch,
    heartbeatIntervalMs: 10,
    assignment: partitions
      ? { topicPartitions: [{ topicId: TOPIC_ID, partitions }] }
      : null,
  };
}

function metadataAnswer(port: number): Input<typeof METADATA.response> {
  return {
    brokers: [{ nodeId: 1, host: "localhost", port }],
    clusterId: "c",
    controllerId: 1,
    topics: [{
      name: "t",
      topicId: TOPIC_ID,
      partitions: [0, 1, 2].map((partitionIndex) => ({
        partitionIndex,
        leaderId: 1,
        leaderEpoch: 0,
        replicaNodes: [1],
        isrNodes: [1],
      })),
    }],
  };
}

function committedAnswer(
  { groups }: OffsetFetchRequest,
  { readers }: Script,
): OffsetFetchResponse {
  return {
    groups: groups.map(({ groupId, memberId, memberEpoch, topics }) => {
      readers.push([memberId, memberEpoch]);
      return {
        groupId,
        topics: (topics ?? []).map(({ name, partitionIndexes }) => ({
          name,
          partitions: partitionIndexes.map((partitionIndex) => ({
            partitionIndex,
            committedOffset: 5,
            metadata: "",
          })),
        })),
      };
    }),
  };
}

function commitAnswer(
  { generationIdOrMemberEpoch: epoch, topics }: OffsetCommitRequest,
  { commits, judgeCommit }: Script,
): OffsetCommitResponse {
  commits.push(epoch);
  const error = judgeCommit?.(epoch) ?? "NONE";
  return {
    topics: topics.map(({ name, partitions }) => ({
      name,
      partitions: partitions.map(({ partitionIndex }) => ({
        partitionIndex,
        errorCode: ERRORS[error],
      })),
    })),
  };
}

function answer(frame: Uint8Array, script: Script): Uint8Array | undefined {
  const { apiKey, apiVersion: version, correlationId, bodyAt } =
    decodeRequestHeader(frame);
  const request = <Req extends Message>({ request }: Api<Req>) =>
    decode(request, version, frame.subarray(bodyAt));
  const reply = <Res extends Message>(
    api: Api<Message, Res>,
    body: Input<Res>,
  ) => encodeResponse({ api, version, correlationId }, body);
  switch (apiKey) {
    case METADATA.key:
      return reply(METADATA, metadataAnswer(script.port));
    case FIND_COORDINATOR.key:
      script.lookups++;
      return reply(FIND_COORDINATOR, {
        coordinators: [{ key: "g", nodeId: 1, host: "localhost", port: 1 }],
      });
    case CONSUMER_GROUP_HEARTBEAT.key: {
      const beat = request(CONSUMER_GROUP_HEARTBEAT);
      const verdict = script.judge(beat, script.beats.push(beat) - 1);
      return reply(CONSUMER_GROUP_HEARTBEAT, heartbeatAnswer(verdict));
    }
    case OFFSET_FETCH.key:
      return reply(
        OFFSET_FETCH,
        committedAnswer(request(OFFSET_FETCH), script),
      );
    case OFFSET_COMMIT.key:
      return reply(OFFSET_COMMIT, commitAnswer(request(OFFSET_COMMIT), script));
    case FETCH.key:
      return undefined; // Parked: there are no records.
  }
  return reply(API_VERSIONS, {
    apiKeys: APIS.map(({ key, versions: { min, max } }) => ({
      apiKey: key,
      minVersion: min,
      maxVersion: max,
    })),
  });
}

/** A consumer of `t` and the broker it meets; both end with the scope. */
function scripted(
  parts: Pick<Script, "judge" | "judgeCommit">,
  config: Record<string, string | number | boolean> = {},
) {
  const transport = memoryTransport();
  const listener = transport.listen({ host: "localhost", port: 0 });
  const script: Script = {
    port: listener.address.port,
    beats: [],
    commits: [],
    readers: [],
    lookups: 0,
    ...parts,
  };
  const serve = async (connection: Connection) => {
    const frames = new FrameReader(connection, LIMITS.frameBytesMax);
    try {
      for (;;) {
        const frame = await frames.next();
        if (!frame) break;
        const answered = answer(frame, script);
        if (answered) await connection.writeAll(answered);
      }
    } catch {
      // The client hung up.
    }
    connection.close();
  };
  const serving = (async () => {
    const open: Promise<void>[] = [];
    for (;;) {
      const connection = await listener.accept();
      if (!connection) return await Promise.all(open);
      open.push(serve(connection));
    }
  })();
  const env = denoEnv({ traceLevel: "error" });
  const consumer = new Consumer({
    "bootstrap.servers": `localhost:${script.port}`,
    "group.id": "g",
    "group.protocol": "consumer",
    "enable.auto.commit": false,
    "auto.offset.reset": "none",
    "retry.backoff.ms": 1,
    ...config,
  }, { env, transport });
  consumer.subscribe(["t"]);
  return {
    script,
    consumer,
    holds: (count: number) =>
      until(`the consumer holds ${count}`, async () => {
        await consumer.poll(10);
        return consumer.assignment().length === count;
      }),
    async [Symbol.asyncDispose]() {
      await consumer.close();
      listener.close();
      await serving;
      await env.tasks.settled();
    },
  };
}

/** Gives everything to whoever joins. */
const generous: Script["judge"] = (beat) =>
  beat.memberEpoch === 0 ? [1, [0, 1, 2]] : [1];

Deno.test("offsets are read and committed as the member that the broker knows", async () => {
  const { script, consumer, holds, ...rest } = scripted({ judge: generous });
  await using _ = rest;
  await holds(3);
  const { memberId } = script.beats[0]!;
  assertEquals(await consumer.position({ topic: "t", partition: 2 }), 5);
  assertEquals(new Set(script.readers.map(String)), new Set([`${memberId},1`]));
  await consumer.commit();
  assertEquals(script.commits, [1]);
  await until(
    "the partitions are acknowledged",
    () =>
      script.beats.some(({ topicPartitions }) =>
        topicPartitions?.[0]?.partitions.length === 3
      ),
  );
  await consumer.close();
  assertEquals(script.beats.at(-1)?.memberEpoch, -1);
});

Deno.test("a commit with an epoch that has passed goes again with the new one", async () => {
  const { script, consumer, holds, ...rest } = scripted({
    judge: (beat) => {
      if (beat.memberEpoch === 0) return [1, [0]];
      return script.commits.length > 0 ? [2] : [1];
    },
    judgeCommit: (epoch) => epoch < 2 ? "STALE_MEMBER_EPOCH" : "NONE",
  });
  await using _ = rest;
  await holds(1);
  await consumer.position({ topic: "t", partition: 0 });
  await consumer.commit();
  assertEquals([script.commits[0], script.commits.at(-1)], [1, 2]);
});

Deno.test("a fenced member loses its partitions and gets them at epoch 0", async () => {
  const events: string[] = [];
  const { script, consumer, holds, ...rest } = scripted({
    judge: (beat, index) =>
      beat.topicPartitions?.length && index < 5
        ? "FENCED_MEMBER_EPOCH"
        : beat.memberEpoch === 0
        ? [index + 1, [1]]
        : [beat.memberEpoch],
  });
  await using _ = rest;
  consumer.onRebalance({
    assigned: () => void events.push("assigned"),
    revoked: () => void events.push("revoked"),
    lost: () => void events.push("lost"),
  });
  await holds(1);
  await until("it has been lost and assigned again", async () => {
    await consumer.poll(10);
    return events.length >= 3;
  });
  assertEquals(events.slice(0, 3), ["assigned", "lost", "assigned"]);
  const joins = script.beats.filter(({ memberEpoch }) => memberEpoch === 0);
  assertEquals(new Set(joins.map(({ memberId }) => memberId)).size, 1);
  for (const { topicPartitions, rebalanceTimeoutMs } of joins) {
    assertEquals([topicPartitions, rebalanceTimeoutMs], [[], 300000]);
  }
});

Deno.test("a coordinator that moved is looked up, and told everything", async () => {
  let hasMoved = false;
  const { script, holds, ...rest } = scripted({
    judge: (beat, index) => {
      if (!hasMoved && beat.memberEpoch === 1 && index > 2) {
        hasMoved = true;
        return "NOT_COORDINATOR";
      }
      return generous(beat, index);
    },
  });
  await using _ = rest;
  await holds(3);
  const again = await until("the member is back", () => {
    const at = script.beats.findIndex((beat, index) =>
      index > 3 && beat.rebalanceTimeoutMs > 0
    );
    return script.beats[at];
  });
  assertEquals(script.lookups, 2);
  assertEquals(again.memberEpoch, 1);
  assertEquals(again.topicPartitions?.[0]?.partitions, [0, 1, 2]);
  assertEquals(again.subscribedTopicNames, ["t"]);
});

Deno.test("what can't be mended is told to whoever polls", async () => {
  for (
    const error of [
      "GROUP_MAX_SIZE_REACHED",
      "UNRELEASED_INSTANCE_ID",
      "UNSUPPORTED_ASSIGNOR",
      "UNSUPPORTED_VERSION",
    ] as const
  ) {
    const { script, consumer, ...rest } = scripted({ judge: () => error }, {
      "group.remote.assignor": "mine",
    });
    await using _ = rest;
    const failed = await assertRejects(() => consumer.poll(5000), KafkaError);
    assertEquals(failed.error, error);
    assertEquals(script.beats[0]?.serverAssignor, "mine");
  }
});

Deno.test("who doesn't poll leaves, and joins again with the next poll", async () => {
  const lost: number[] = [];
  const { script, consumer, holds, ...rest } = scripted({ judge: generous }, {
    "max.poll.interval.ms": 100,
  });
  await using _ = rest;
  consumer.onRebalance({
    lost: (partitions) => void lost.push(partitions.length),
  });
  await holds(3);
  await until(
    "the member has left",
    () => script.beats.at(-1)?.memberEpoch === -1,
  );
  await until("the next poll tells", async () => {
    await consumer.poll(10);
    return lost.length > 0;
  });
  assertEquals(lost, [3]);
  await holds(3);
});
