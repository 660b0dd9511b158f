/**
 * A member of a classic group, against a scripted broker in memory: what an
 * unlucky moment takes, another round brings.
 *
 * @module
 */
import { assertEquals, assertThrows } from "@std/assert";
import { denoEnv } from "../../core/env/deno_env.ts";
import { encodeAssignment } from "../../core/assign/protocol.ts";
import { ERRORS, KafkaError } from "../../core/errors.ts";
import { LIMITS } from "../../core/limits.ts";
import type { Input, Message } from "../../core/schema/schema.ts";
import { until } from "../../tests/fixtures.ts";
import { FrameReader } from "../link/frame_reader.ts";
import { memoryTransport } from "../tcp/memory_tcp.ts";
import type { Connection } from "../tcp/transport.ts";
import { METADATA } from "../wire/03_metadata.ts";
import { OFFSET_FETCH } from "../wire/09_offset_fetch.ts";
import { FIND_COORDINATOR } from "../wire/10_find_coordinator.ts";
import { JOIN_GROUP } from "../wire/11_join_group.ts";
import { SYNC_GROUP } from "../wire/14_sync_group.ts";
import { API_VERSIONS } from "../wire/18_api_versions.ts";
import type { Api } from "../wire/api.ts";
import { decodeRequestHeader, encodeResponse } from "../wire/headers.ts";
import { Consumer } from "./consumer.ts";

const APIS: readonly Api[] = [
  METADATA,
  OFFSET_FETCH,
  FIND_COORDINATOR,
  JOIN_GROUP,
  SYNC_GROUP,
  API_VERSIONS,
];

type Reply = <Res extends Message>(
  api: Api<Message, Res>,
  body: Input<Res>,
) => Uint8Array;
type Answer = Uint8Array | undefined | null;

/**
 * A broker with one member besides the leader, which always gets `t-0`. It
 * dies once at the worst moment: `t` is known to nobody but the assignment.
 */
class Script {
  port = 0;
  joins = 0;
  syncs = 0;
  protected isKnown = false;

  /** What to answer; undefined leaves the request unanswered, null hangs up. */
  answer(frame: Uint8Array): Answer | Promise<Answer> {
    const { apiKey, apiVersion: version, correlationId } = decodeRequestHeader(
      frame,
    );
    const reply: Reply = (api, body) =>
      encodeResponse({ api, version, correlationId }, body);
    switch (apiKey) {
      case OFFSET_FETCH.key:
        return this.offsets(reply);
      case METADATA.key: {
        const isOver = this.joins > 0 && !this.isKnown;
        this.isKnown ||= isOver;
        return isOver ? null : reply(METADATA, this.#metadata());
      }
      case FIND_COORDINATOR.key:
        return reply(FIND_COORDINATOR, {
          coordinators: [{ key: "g", nodeId: 1, host: "localhost", port: 1 }],
        });
      case JOIN_GROUP.key:
        this.joins++;
        return this.joined(reply);
      case SYNC_GROUP.key:
        this.syncs++;
        return reply(SYNC_GROUP, {
          assignment: encodeAssignment({
            assignedPartitions: this.assigned
              ? [{ topic: "t", partitions: [0] }]
              : [],
          }),
        });
      case API_VERSIONS.key:
        return reply(API_VERSIONS, {
          apiKeys: APIS.map(({ key, versions: { min, max } }) => ({
            apiKey: key,
            minVersion: min,
            maxVersion: max,
          })),
        });
    }
    return undefined;
  }

  protected get assigned(): boolean {
    return true;
  }

  protected offsets(_reply: Reply): Answer | Promise<Answer> {
    return undefined;
  }

  protected joined(
    reply: Reply,
    protocolName = "range",
  ): Answer | Promise<Answer> {
    return reply(JOIN_GROUP, {
      generationId: this.joins,
      protocolType: "consumer",
      protocolName,
      leader: "other",
      memberId: "m",
    });
  }

  #metadata(): Input<typeof METADATA.response> {
    return {
      brokers: [{ nodeId: 1, host: "localhost", port: this.port }],
      clusterId: "c",
      controllerId: 1,
      topics: this.isKnown
        ? [{ name: "t", partitions: [{ partitionIndex: 0, leaderId: 1 }] }]
        : [],
    };
  }
}

/**
 * Hangs up in the second round, after it has told the member that it is none;
 * in the third round, the leader takes from it what it says that it holds.
 */
class LosingScript extends Script {
  readonly loss = Promise.withResolvers<void>();
  readonly hangUp = Promise.withResolvers<void>();
  protected override isKnown = true;

  protected override get assigned(): boolean {
    return this.joins !== 3;
  }

  protected override async offsets(reply: Reply): Promise<Answer> {
    if (this.joins > 1) return undefined;
    await this.loss.promise;
    const { UNKNOWN_MEMBER_ID: errorCode } = ERRORS;
    return reply(OFFSET_FETCH, { groups: [{ groupId: "g", errorCode }] });
  }

  protected override async joined(reply: Reply): Promise<Answer> {
    if (this.joins !== 2) return super.joined(reply, "cooperative-sticky");
    await this.hangUp.promise;
    return null;
  }
}

async function serve(connection: Connection, script: Script): Promise<void> {
  const frames = new FrameReader(connection, LIMITS.frameBytesMax);
  try {
    for (let frame; (frame = await frames.next());) {
      const answered = await script.answer(frame);
      if (answered === null) break;
      if (answered) await connection.writeAll(answered);
    }
  } catch {
    // The client hung up.
  }
  connection.close();
}

/** A consumer of `t` at a broker that follows `script`. */
async function consuming(
  script: Script,
  use: (consumer: Consumer) => Promise<void>,
): Promise<void> {
  const transport = memoryTransport();
  const listener = transport.listen({ host: "localhost", port: 0 });
  script.port = listener.address.port;
  const serving = (async () => {
    const open: Promise<void>[] = [];
    for (let each; (each = await listener.accept());) {
      open.push(serve(each, script));
    }
    await Promise.all(open);
  })();
  const env = denoEnv({ traceLevel: "error" });
  const consumer = new Consumer({
    "bootstrap.servers": `localhost:${script.port}`,
    "group.id": "g",
    "retry.backoff.ms": 1,
    "partition.assignment.strategy": "range,cooperative-sticky",
  }, { env, transport });
  consumer.subscribe(["t"]);
  await use(consumer);
  await consumer.close();
  listener.close();
  await serving;
  await env.tasks.settled();
}

async function getsPartition(consumer: Consumer): Promise<void> {
  await until("it has its partition", async () => {
    await consumer.poll(10);
    return consumer.assignment().length > 0;
  });
  assertEquals(consumer.assignment(), [{ topic: "t", partition: 0 }]);
}

Deno.test("a member that can't look up what it was assigned joins again, and gets it", async () => {
  await consuming(new Script(), getsPartition);
});

Deno.test("a member that lost while it joined what the leader took from it joins again", async () => {
  const script = new LosingScript();
  await consuming(script, async (consumer) => {
    await getsPartition(consumer);
    consumer.subscribe(["t"]);
    // It asks to join, behind the request for offsets that isn't answered yet.
    await consumer.poll(10);
    script.loss.resolve();
    await until("it is no member", () => {
      try {
        return !consumer.groupMetadata();
      } catch {
        return true;
      }
    });
    script.hangUp.resolve();
    await until("it says what it holds", () => script.joins === 3);
    await until("it is a member again", () => script.syncs === 2);
    // What it still holds was another member's meanwhile: no commit may pass.
    let turns = 0;
    await until("it has taken that in", () => {
      assertThrows(() => consumer.groupMetadata(), KafkaError, "Poll again");
      return ++turns === 20;
    });
    await until("the next round has come", async () => {
      await consumer.poll(10);
      return script.joins === 4;
    });
    await getsPartition(consumer);
  });
});
