/**
 * Layers, bounds and refusals of the config tables.
 *
 * @module
 */
import { assertEquals, assertStringIncludes, assertThrows } from "@std/assert";
import { KafkaError } from "../errors.ts";
import { BROKER_KEYS } from "./broker_keys.ts";
import { ADMIN_KEYS, CONSUMER_KEYS, PRODUCER_KEYS } from "./client_keys.ts";
import { configText, type KeyTable } from "./key.ts";
import {
  clientConfig,
  clientKindsOf,
  resolveBrokerConfig,
  resolveTopicConfig,
  storedTopicConfig,
  withDynamicConfig,
} from "./resolve.ts";
import { TOPIC_KEYS } from "./topic_keys.ts";

const text = (values: Record<string, string>) =>
  new Map(Object.entries(values));

function refusal(attempt: () => unknown): string {
  const error = assertThrows(attempt, KafkaError);
  assertEquals(error.error, "INVALID_CONFIG");
  return error.message;
}

Deno.test("every default is a value that its key accepts", () => {
  const tables: KeyTable[] = [
    BROKER_KEYS,
    TOPIC_KEYS,
    PRODUCER_KEYS,
    CONSUMER_KEYS,
    ADMIN_KEYS,
  ];
  for (const table of tables) {
    for (const [name, key] of Object.entries(table)) {
      const shown = configText(key.default);
      if (shown !== null) assertEquals(key.parse(shown), key.default, name);
    }
  }
});

Deno.test("every synonym of a topic key is a broker key", () => {
  for (
    const [name, key] of Object.entries<{ synonyms?: unknown }>(TOPIC_KEYS)
  ) {
    for (const synonym of key.synonyms as { name: string }[]) {
      assertEquals(synonym.name in BROKER_KEYS, true, name);
    }
  }
});

Deno.test("a topic's default equals what the broker's defaults give", () => {
  const config = resolveTopicConfig(new Map(), resolveBrokerConfig());
  assertEquals(config.retentionMs, TOPIC_KEYS["retention.ms"].default);
  assertEquals(config.segmentMs, TOPIC_KEYS["segment.ms"].default);
  assertEquals(config.flushMs, Infinity);
  assertEquals(config.cleanupPolicy, { compact: false, delete: true });
});

Deno.test("dynamic beats static, the broker's own beats the cluster's", () => {
  const config = resolveBrokerConfig(text({ "message.max.bytes": "1" }));
  assertEquals(config["message.max.bytes"], 1);
  const dynamic = withDynamicConfig(config, {
    default: text({ "message.max.bytes": "2", "max.connections": "7" }),
    broker: text({ "message.max.bytes": "3" }),
  });
  assertEquals(dynamic["message.max.bytes"], 3);
  assertEquals(dynamic["max.connections"], 7);
  assertEquals(resolveTopicConfig(new Map(), dynamic).maxMessageBytes, 3);
});

Deno.test("log.retention.ms beats minutes, minutes beat hours, -1 stays -1", () => {
  const retention = (values: Record<string, string>) =>
    resolveTopicConfig(new Map(), resolveBrokerConfig(text(values)))
      .retentionMs;
  assertEquals(retention({ "log.retention.hours": "2" }), 7200000);
  assertEquals(
    retention({ "log.retention.hours": "2", "log.retention.minutes": "1" }),
    60000,
  );
  assertEquals(
    retention({ "log.retention.ms": "5", "log.retention.minutes": "1" }),
    5,
  );
  assertEquals(retention({ "log.retention.hours": "-1" }), -1);
});

Deno.test("unknown keys are refused with a hint, all in one error", () => {
  const message = refusal(() =>
    resolveBrokerConfig(
      text({ "num.partition": "3", "log.segment.bytes": "ten" }),
    )
  );
  assertStringIncludes(message, 'did you mean "num.partitions"?');
  assertStringIncludes(message, "is not a whole number");
});

Deno.test("what Kafka's own server.properties asks in vain is refused with the reason", () => {
  const message = refusal(() =>
    resolveBrokerConfig(text({
      "broker.id.generation.enable": "true",
      "security.inter.broker.protocol": "PLAINTEXT",
      "num.network.threads": "3",
      "socket.send.buffer.bytes": "102400",
      "transaction.two.phase.commit.enable": "true",
      "log.retention.hours": "168",
    }))
  );
  const lines = message.split("\n");
  assertEquals(lines.length, 5, "each key has its line, and no other");
  for (const line of lines) assertStringIncludes(line, "leave it out");
});

Deno.test("values out of bounds are refused with the bound", () => {
  const broker = resolveBrokerConfig();
  const topic = (name: string, value: string) =>
    refusal(() => resolveTopicConfig(text({ [name]: value }), broker));
  assertStringIncludes(topic("retention.ms", "-2"), "at least -1");
  assertStringIncludes(topic("cleanup.policy", "drop"), "is none of");
  assertStringIncludes(topic("cleanup.policy", ""), "compact, delete or both");
  assertStringIncludes(topic("constructor", "1"), "Unknown topic config");
  assertStringIncludes(topic("flush.ms", "9999999999999999999"), "64 bits");
});

Deno.test("compaction can't be due before it is allowed", () => {
  const lags = text({
    "min.compaction.lag.ms": "2000",
    "max.compaction.lag.ms": "1999",
  });
  const broker = resolveBrokerConfig();
  assertStringIncludes(
    refusal(() => resolveTopicConfig(lags, broker)),
    "min.compaction.lag.ms (2000)",
  );
  const byDefault = resolveBrokerConfig(
    text({ "log.cleaner.min.compaction.lag.ms": "2000" }),
  );
  const max = text({ "max.compaction.lag.ms": "1999" });
  refusal(() => resolveTopicConfig(max, byDefault));
  assertEquals(storedTopicConfig(max, byDefault).maxCompactionLagMs, 1999);
});

Deno.test("a compacted topic rolls in time for max.compaction.lag.ms", () => {
  const resolved = (policy: string) =>
    resolveTopicConfig(
      text({ "cleanup.policy": policy, "max.compaction.lag.ms": "5000" }),
      resolveBrokerConfig(),
    ).segmentMs;
  assertEquals(resolved("compact,delete"), 5000);
  assertEquals(resolved("delete"), 604800000);
});

Deno.test("a stored topic config may have keys that only Apache Kafka knows", () => {
  const texts = text({
    "remote.storage.enable": "false",
    "cleanup.policy": "compact",
  });
  const { cleanupPolicy } = storedTopicConfig(texts, resolveBrokerConfig());
  assertEquals(cleanupPolicy, { compact: true, delete: false });
});

Deno.test("clientConfig() takes strings, numbers and booleans", () => {
  const config = clientConfig("producer", {
    "bootstrap.servers": "a:1, b:2",
    "linger.ms": 0,
    "enable.idempotence": false,
    "client.id": undefined,
  });
  assertEquals(config["bootstrap.servers"], ["a:1", "b:2"]);
  assertEquals(config["linger.ms"], 0);
  assertEquals(config["enable.idempotence"], false);
  assertEquals(config["client.id"], "");
  refusal(() => clientConfig("consumer", { "linger.ms": 1 }));
});

Deno.test("clientConfig() refuses what the other group protocol alone reads", () => {
  const consumer = (properties: Record<string, string | number>) =>
    refusal(() => clientConfig("consumer", properties));
  assertStringIncludes(
    consumer({ "group.remote.assignor": "uniform" }),
    "group.protocol=classic",
  );
  for (
    const name of [
      "heartbeat.interval.ms",
      "partition.assignment.strategy",
      "session.timeout.ms",
    ]
  ) {
    const value = name.startsWith("partition") ? "range" : 10;
    const said = consumer({ "group.protocol": "consumer", [name]: value });
    assertStringIncludes(said, name);
    assertEquals(clientConfig("consumer", { [name]: value })["group.id"], null);
  }
});

Deno.test("clientKindsOf() names who knows a key", () => {
  assertEquals(clientKindsOf("group.id"), ["consumer"]);
  assertEquals(clientKindsOf("retries"), ["producer", "admin"]);
  assertEquals(clientKindsOf("client.id"), ["producer", "consumer", "admin"]);
  assertEquals(clientKindsOf("constructor"), []);
});
