/**
 * kf's clients against a real Apache Kafka. Skipped, saying why, without Java.
 *
 * @module
 */
import { apacheKafkaJars, startApacheKafka } from "./apache_kafka.ts";
import { clientSuite } from "./client_suite.ts";

const jars = await apacheKafkaJars();
const isMissing = "reason" in jars;
if (isMissing) console.error(`Apache Kafka tests skipped: ${jars.reason}`);

Deno.test({
  name: "clients work against Apache Kafka",
  ignore: isMissing,
  fn: async (t) => {
    if (isMissing) return;
    await using kafka = await startApacheKafka(jars.folder);
    await clientSuite(t, kafka.bootstrap);
  },
});
