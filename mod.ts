/**
 * kf's public API: a Kafka-compatible broker and clients for any Kafka
 * cluster. It must never do anything when it is imported.
 *
 * ```ts
 * import { createConsumer, createProducer, startBroker } from "./mod.ts";
 *
 * const folder = await Deno.makeTempDir();
 * const broker = await startBroker({
 *   config: new Map([
 *     ["listeners", "PLAINTEXT://127.0.0.1:0"],
 *     ["log.dirs", folder],
 *   ]),
 *   traceLevel: "error",
 * });
 * const cluster = { "bootstrap.servers": broker.address };
 *
 * const producer = createProducer(cluster);
 * await producer.send({ topic: "greetings", key: "en", value: "hello" });
 * await producer.close();
 *
 * const consumer = createConsumer(cluster);
 * consumer.assign([{ topic: "greetings", partition: 0 }]);
 * consumer.seek({ topic: "greetings", partition: 0 }, "earliest");
 * const [batch] = await consumer.poll(5000);
 * const value = new TextDecoder().decode(batch!.records[0]!.value!);
 * if (value !== "hello") throw new Error(`read ${value}`);
 * await consumer.close();
 *
 * await broker.stop();
 * await Deno.remove(folder, { recursive: true });
 * ```
 *
 * @module
 */
export * from "./core/log.ts";
export * from "./core/metadata.ts";
export * from "./core/repair.ts";
export * from "./net/broker.ts";
export * from "./net/client.ts";
