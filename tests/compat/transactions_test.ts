/**
 * kf's transactions against a real Apache Kafka, in both versions that its
 * clusters finalize (KIP-890). Skipped, saying why, without Java.
 *
 * @module
 */
import { assertEquals } from "@std/assert";
import { run } from "../fixtures.ts";
import {
  apacheKafkaJars,
  kafkaTool,
  startApacheKafka,
} from "./apache_kafka.ts";
import { pipeSuite } from "./pipe_suite.ts";
import { transactionsSuite } from "./transactions_suite.ts";
import { txnCommandsSuite } from "./txn_commands_suite.ts";

const jars = await apacheKafkaJars();
const isMissing = "reason" in jars;
if (isMissing) console.error(`Apache Kafka tests skipped: ${jars.reason}`);

/** Records with timestamps of years ago stay, however long this takes. */
const KEEPING = { "log.retention.ms": "-1" };

for (const version of [2, 1]) {
  Deno.test({
    name: `transactions of version ${version} work against Apache Kafka`,
    ignore: isMissing,
    fn: async (t) => {
      if (isMissing) return;
      await using kafka = await startApacheKafka(jars.folder, {
        config: KEEPING,
      });
      const level = await run(
        kafkaTool(jars.folder, "FeatureCommand", [
          ...["--bootstrap-server", kafka.bootstrap],
          ...version === 2
            ? ["describe"]
            : ["downgrade", "--feature", `transaction.version=${version}`],
        ]),
      );
      assertEquals(level.code, 0, level.stderr);
      await transactionsSuite(t, kafka.bootstrap);
      await pipeSuite(t, kafka.bootstrap);
    },
  });
}

Deno.test({
  name: "kf txn and kf dlq work against Apache Kafka",
  ignore: isMissing,
  fn: async (t) => {
    if (isMissing) return;
    await using kafka = await startApacheKafka(jars.folder, {
      config: {
        ...KEEPING,
        "transaction.partition.verification.enable": "false",
      },
    });
    await txnCommandsSuite(t, kafka.bootstrap);
  },
});
