/**
 * The channel to the controller over real sockets: requests of a broker's own
 * and clients' requests that are passed on, a controller that moves, and one
 * that can't be reached.
 *
 * @module
 */
import { assert, assertEquals, assertRejects } from "@std/assert";
import { channelTo, controlled } from "../../tests/controlled_broker.ts";
import { until } from "../../tests/fixtures.ts";
import { freePort } from "../../tests/ports.ts";
import { latest } from "../../tests/raw_broker.ts";
import { RawClient } from "../../tests/raw_client.ts";
import { KafkaError } from "../../core/errors.ts";
import type { Input, Message } from "../../core/schema/schema.ts";
import type { Address } from "../tcp/transport.ts";
import { CREATE_TOPICS } from "../wire/19_create_topics.ts";
import { DELETE_TOPICS } from "../wire/20_delete_topics.ts";
import { INCREMENTAL_ALTER_CONFIGS } from "../wire/44_incremental_alter_configs.ts";
import { DESCRIBE_QUORUM } from "../wire/55_describe_quorum.ts";
import { UPDATE_FEATURES } from "../wire/57_update_features.ts";
import type { Api } from "../wire/api.ts";
import { decodeResponse, encodeRequest } from "../wire/headers.ts";
import { forward } from "./forwarding.ts";
import { createTopics } from "./topic_creation.ts";

const topic = (name: string) => ({
  name,
  numPartitions: 2,
  replicationFactor: 1,
  assignments: [],
  configs: [],
});

Deno.test("a broker's own request reaches the controller over a link", async () => {
  const { node, control } = await controlled();
  await using _ = node;
  await using there = channelTo(() => control);
  const topics = [topic("__consumer_offsets"), topic("no/name")];
  const [offsets, wrong] = await createTopics(there.channel, topics);
  assertEquals(offsets, {
    name: "__consumer_offsets",
    error: "NONE",
    message: null,
  });
  assertEquals(wrong?.error, "INVALID_TOPIC_EXCEPTION");
});

Deno.test("a request that is passed on is answered as one that was sent", async () => {
  const { node, control } = await controlled();
  await using _ = node;
  await using there = channelTo(() => control);
  using client = await RawClient.connect(node.port);
  const equal = async <Req extends Message, Res extends Message>(
    api: Api<Req, Res>,
    bodyOf: (version: number) => Input<Req>,
  ) => {
    for (
      let version = api.versions.min;
      version <= api.versions.max;
      version++
    ) {
      const body = bodyOf(version);
      const head = { api, version, correlationId: 7, clientId: "c" };
      const frame = encodeRequest(head, body).subarray(4);
      const answer = await forward(there.channel, { frame, host: "10.0.0.1" });
      const passedOn = decodeResponse({ api, version }, answer);
      assertEquals(passedOn.correlationId, 7);
      const sent = await client.call({ api, version }, body);
      assertEquals(untimed(passedOn.body), untimed(sent));
    }
  };
  await equal(CREATE_TOPICS, () => ({ topics: [topic("__consumer_offsets")] }));
  await equal(CREATE_TOPICS, () => ({ topics: [topic("no/name")] }));
  await equal(
    CREATE_TOPICS,
    () => ({ topics: [topic("t")], validateOnly: true }),
  );
  await equal(
    DELETE_TOPICS,
    (version) =>
      version < 6 ? { topicNames: ["t"] } : { topics: [{ name: "t" }] },
  );
  await equal(INCREMENTAL_ALTER_CONFIGS, () => ({
    resources: [{
      resourceType: 2,
      resourceName: "t",
      configs: [{ name: "retention.ms", configOperation: 0, value: "1" }],
    }],
  }));
  await equal(UPDATE_FEATURES, () => ({
    featureUpdates: [{ feature: "unheard.of", maxVersionLevel: 1 }],
  }));
  await equal(DESCRIBE_QUORUM, () => ({
    topics: [{
      topicName: "__cluster_metadata",
      partitions: [{ partitionIndex: 0 }],
    }],
  }));
});

/** Without what differs between any two answers. */
function untimed(body: unknown): unknown {
  return JSON.parse(JSON.stringify(
    body,
    (key, value) => /Timestamp$|^topicId$/.test(key) ? 0 : value,
  ));
}

Deno.test("what goes wrong on the way is tried again where the controller is by then", async () => {
  const { node, control } = await controlled();
  await using _ = node;
  // Nobody listens, then nobody is known, then the controller is there.
  const nobody = { host: "127.0.0.1", port: freePort() };
  const places = [nobody, undefined, nobody];
  await using there = channelTo(() =>
    places.length > 0 ? places.shift() : control
  );
  const [created] = await createTopics(there.channel, [topic("t")]);
  assertEquals(created?.error, "NONE");
  assertEquals(places, []);
  // The link ends under a channel that goes on to use it.
  await node.broker.stop();
  await assertRejects(
    () => there.channel.request(CREATE_TOPICS, {}, { timeoutMs: 100 }),
    KafkaError,
    // Whether its link ends first, or none is to be had.
    "Cannot send CreateTopics to the controller: ",
  );
});

Deno.test("a garbled request that is passed on is an error, and the link stays", async () => {
  const { node, control } = await controlled();
  await using _ = node;
  await using there = channelTo(() => control);
  const head = { ...latest(CREATE_TOPICS), correlationId: 1, clientId: "c" };
  const frame = encodeRequest(head, { topics: [topic("t")] }).subarray(4);
  for (const bad of [frame.slice(0, 20), new Uint8Array(0)]) {
    await assertRejects(
      () => forward(there.channel, { frame: bad, host: "::1" }),
      KafkaError,
      "The controller refused a request",
    );
  }
  const [created] = await createTopics(there.channel, [topic("t")]);
  assertEquals(created?.error, "NONE");
});

/** Passes on what goes to and from `to`; while it is held, answers wait. */
function holdable(to: Address) {
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const open: Deno.Conn[] = [];
  let going = Promise.resolve();
  let go = () => {};
  let isAnswered = false;
  const ask = async (from: Deno.Conn, into: Deno.Conn) => {
    const bytes = new Uint8Array(4096);
    for (let n; (n = await from.read(bytes)) !== null;) {
      await into.write(bytes.subarray(0, n));
    }
  };
  const answer = async (from: Deno.Conn, into: Deno.Conn) => {
    const bytes = new Uint8Array(4096);
    for (let n; (n = await from.read(bytes)) !== null;) {
      isAnswered = true;
      await going;
      await into.write(bytes.subarray(0, n));
    }
  };
  const serving = (async () => {
    for await (const conn of listener) {
      const there = await Deno.connect({ hostname: to.host, port: to.port });
      open.push(conn, there);
      ask(conn, there).catch(() => {});
      answer(there, conn).catch(() => {});
    }
  })();
  return {
    address: { host: "127.0.0.1", port: listener.addr.port },
    hold() {
      isAnswered = false;
      ({ promise: going, resolve: go } = Promise.withResolvers<void>());
    },
    release: () => go(),
    /** Resolves when an answer is held. */
    answered: () => until("it answers", () => isAnswered),
    async [Symbol.asyncDispose]() {
      go();
      listener.close();
      await serving;
      for (const conn of open) conn.close();
    },
  };
}

Deno.test("what a controller that is held was asked is asked of the next one", async () => {
  const { node, control } = await controlled();
  await using _ = node;
  await using first = holdable(control);
  let controller: Address | undefined = first.address;
  await using there = channelTo(() => controller);
  await createTopics(there.channel, [topic("a")]);
  first.hold();
  const waiting = createTopics(there.channel, [topic("no/name")]);
  await first.answered();
  // Nobody is known for a while, then it is the same, then another one.
  controller = undefined;
  there.channel.moved();
  controller = { ...first.address };
  there.channel.moved();
  controller = control;
  there.channel.moved();
  const [refused] = await waiting;
  assertEquals(refused?.error, "INVALID_TOPIC_EXCEPTION");
  assertEquals(there.told, []);
});

Deno.test("what a controller decided before there was another one is still heard", async () => {
  const { node, control } = await controlled();
  await using _ = node;
  await using first = holdable(control);
  let controller = first.address;
  // Its time to answer doesn't end.
  const sleep = (_ms: number, signal?: AbortSignal) =>
    new Promise<void>((_, reject) => signal!.addEventListener("abort", reject));
  await using there = channelTo(() => controller, { sleep });
  await createTopics(there.channel, [topic("a")]);
  first.hold();
  const waiting = createTopics(there.channel, [topic("b")]);
  await first.answered();
  controller = control;
  there.channel.moved();
  const [other] = await createTopics(there.channel, [topic("c")]);
  assertEquals(other?.error, "NONE");
  first.release();
  const [created] = await waiting;
  assertEquals(created?.error, "NONE");
});

Deno.test("close() ends what waits for a controller", async () => {
  await using there = channelTo(() => undefined);
  const waiting = there.channel.request(CREATE_TOPICS, {});
  there.channel.close();
  const error = await assertRejects(() => waiting, KafkaError);
  assert(error.message.includes("this node stops"), error.message);
});
