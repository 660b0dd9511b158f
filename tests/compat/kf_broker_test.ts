/**
 * kf's clients against kf's broker, in one process over real sockets.
 *
 * @module
 */
import { assertEquals } from "@std/assert";
import { startBroker } from "../../net/broker.ts";
import { createConsumer, createProducer } from "../../net/client.ts";
import { temporaryFolder, until } from "../fixtures.ts";
import { clientSuite } from "./client_suite.ts";
import {
  CONSUMER_PROTOCOL_CONFIG,
  consumerProtocolSuite,
} from "./consumer_protocol_suite.ts";

function start(data: string, port = 0) {
  return startBroker({
    config: new Map(Object.entries({
      "listeners": `PLAINTEXT://127.0.0.1:${port}`,
      "log.dirs": data,
      "group.initial.rebalance.delay.ms": "100",
      "offsets.topic.num.partitions": "3",
      ...CONSUMER_PROTOCOL_CONFIG,
    })),
    traceLevel: "error",
  });
}

Deno.test("clients work against kf's broker", async (t) => {
  using folder = temporaryFolder();
  const broker = await start(`${folder.path}/data`);
  try {
    await clientSuite(t, broker.address);
    await consumerProtocolSuite(t, broker.address);
  } finally {
    await broker.stop();
  }
});

Deno.test("a member keeps its partitions while its broker is away", async () => {
  using folder = temporaryFolder();
  const first = await start(`${folder.path}/data`);
  const common = {
    "bootstrap.servers": first.address,
    "reconnect.backoff.max.ms": 100,
  };
  const consumer = createConsumer({
    ...common,
    "group.id": "g",
    "group.protocol": "consumer",
    "auto.offset.reset": "earliest",
  });
  const events: string[] = [];
  consumer.onRebalance({
    assigned: () => void events.push("assigned"),
    revoked: () => void events.push("revoked"),
    lost: () => void events.push("lost"),
  });
  consumer.subscribe(["t"]);
  const producer = createProducer(common);
  const send = async (value: string) => {
    await producer.send({ topic: "t", value });
    await until(`${value} is read`, async () => {
      const polled = await consumer.poll(100);
      return polled.flatMap(({ records }) => records).length > 0;
    });
  };
  await send("before");
  await first.stop();
  const port = Number(first.address.split(":").at(-1));
  const second = await start(`${folder.path}/data`, port);
  await send("after");
  await consumer.commit();
  assertEquals(events, ["assigned"]);
  await consumer.close();
  await producer.close();
  await second.stop();
});
