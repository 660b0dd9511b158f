/**
 * A broker's standing with a real controller over real sockets: registered,
 * serving, silent, leaving; and two brokers of one id.
 *
 * @module
 */
import { assert, assertEquals, assertRejects } from "@std/assert";
import { channelTo, controlled } from "../../tests/controlled_broker.ts";
import { until } from "../../tests/fixtures.ts";
import { latest } from "../../tests/raw_broker.ts";
import { RawClient } from "../../tests/raw_client.ts";
import { type Uuid, uuidFromRandom } from "../../core/bytes/uuid.ts";
import { KafkaError } from "../../core/errors.ts";
import { supportedFeatures } from "../../core/metadata/features.ts";
import type { Broker } from "../server/broker.ts";
import { DESCRIBE_CLUSTER } from "../wire/60_describe_cluster.ts";
import { BrokerLifecycle } from "./broker_lifecycle.ts";

const SESSION = {
  "broker.session.timeout.ms": "600",
  "broker.heartbeat.interval.ms": "50",
};

async function brokersOf(client: RawClient): Promise<Map<number, boolean>> {
  const { brokers } = await client.call(latest(DESCRIBE_CLUSTER), {
    includeFencedBrokers: true,
  });
  return new Map(brokers.map(({ brokerId, isFenced }) => [brokerId, isFenced]));
}

function second(
  { channel, env }: ReturnType<typeof channelTo>,
  { broker, clusterId = broker.clusterId, seen = 1e9 }: {
    readonly broker: Broker;
    readonly clusterId?: Uuid;
    readonly seen?: number;
  },
) {
  const state = { seen };
  const lifecycle = new BrokerLifecycle({
    env,
    channel,
    brokerId: 2,
    registration: {
      brokerId: 2,
      clusterId,
      incarnationId: uuidFromRandom(env.random),
      listeners: [
        { name: "PLAINTEXT", host: "two", port: 1, securityProtocol: 0 },
      ],
      features: supportedFeatures(),
      rack: null,
      logDirs: ["AAAAAAAAAAAAAAAAAAAAAw"],
    },
    heartbeatMs: () => 50,
    metadataOffset: () => state.seen,
    cordonedLogDirs: () => null,
    isServing: () => true,
  });
  return {
    lifecycle,
    state,
    [Symbol.dispose]: () => lifecycle.end(),
  };
}

Deno.test("a broker serves once it has seen its registration, is fenced when it falls silent, and may come back", async () => {
  const { node, control } = await controlled(SESSION);
  await using _ = node;
  await using there = channelTo(() => control);
  using client = await RawClient.connect(node.port);
  {
    using two = second(there, { broker: node.broker, seen: -1 });
    const starting = two.lifecycle.start();
    await until(
      "it is registered",
      async () => (await brokersOf(client)).get(2) === true,
    );
    two.state.seen = 1e9;
    await starting;
    assert(two.lifecycle.brokerEpoch > 0);
    await two.lifecycle.serve();
    assertEquals((await brokersOf(client)).get(2), false);
    const { length } = await two.lifecycle.allocateProducerIds();
    assertEquals(length, 1000);
  }
  await until(
    "it is fenced",
    async () => (await brokersOf(client)).get(2) === true,
  );
  // Broker 1, in one process with the controller, wasn't.
  assertEquals((await brokersOf(client)).get(1), false);
  using next = second(there, { broker: node.broker });
  await next.lifecycle.start();
  await next.lifecycle.serve();
  assertEquals((await brokersOf(client)).get(2), false);
});

Deno.test("a broker that leaves in order is fenced at once", async () => {
  const { node, control } = await controlled();
  await using _ = node;
  await using there = channelTo(() => control);
  using client = await RawClient.connect(node.port);
  using two = second(there, { broker: node.broker });
  await two.lifecycle.start();
  await two.lifecycle.serve();
  await two.lifecycle.leave();
  assertEquals((await brokersOf(client)).get(2), true);
});

Deno.test("a second broker of one id waits until the first is silent", async () => {
  const { node, control } = await controlled(SESSION);
  await using _ = node;
  await using there = channelTo(() => control);
  await using elsewhere = channelTo(() => control);
  using first = second(there, { broker: node.broker });
  await first.lifecycle.start();
  await first.lifecycle.serve();
  using other = second(elsewhere, { broker: node.broker });
  const starting = other.lifecycle.start();
  await until("that is told", () => elsewhere.told.length > 0);
  assertEquals(other.lifecycle.brokerEpoch, -1);
  first.lifecycle.end();
  await starting;
  assert(other.lifecycle.brokerEpoch > first.lifecycle.brokerEpoch);
});

Deno.test("a broker of another cluster is told so, and one without a controller goes on asking", async () => {
  const { node, control } = await controlled();
  await using _ = node;
  await using there = channelTo(() => control);
  const clusterId = "AAAAAAAAAAAAAAAAAAAAAg";
  using stranger = second(there, { broker: node.broker, clusterId });
  await assertRejects(
    () => stranger.lifecycle.start(),
    KafkaError,
    "Cannot register broker 2 with the controller: INCONSISTENT_CLUSTER_ID",
  );
  let isKnown = false;
  await using later = channelTo(() => isKnown ? control : undefined);
  using patient = second(later, { broker: node.broker });
  const starting = patient.lifecycle.start();
  await until(
    "people are told what to look at",
    () => later.told.some((event) => event.includes("can't be reached")),
  );
  isKnown = true;
  await starting;
  assert(patient.lifecycle.brokerEpoch > 0);
});
