/**
 * Commands against an Apache Kafka whose ACLs allow nothing: each says so, by
 * Kafka's name of the error, and what to do.
 *
 * @module
 */
import { assertEquals, assertMatch } from "@std/assert";
import { kf } from "../fixtures.ts";
import { apacheKafkaJars, startApacheKafka } from "./apache_kafka.ts";
import { freePort } from "../ports.ts";

const LINES = [
  "topic create t",
  "topic describe t",
  "topic config t",
  "topic delete t -y",
  "group describe g",
  "group lag g",
  "group delete g -y",
  "group seek g -t t --to earliest -y",
  "txn describe x",
  "cluster quorum",
  "logdirs",
  "produce t",
  "produce t --txn x",
  "gen t",
  "consume t -e",
  "consume t -g g -e",
  "export t",
  "pipe --from t --to u -- cat",
];

const jars = await apacheKafkaJars();
if ("reason" in jars) {
  // deno-lint-ignore no-console
  console.warn(`skipped: ${jars.reason}`);
}

/** The broker is its own user, so that it can speak to itself. */
function guarded(port: number): Record<string, string> {
  const [internal, controller] = [freePort(), freePort()];
  const login =
    'org.apache.kafka.common.security.plain.PlainLoginModule required username="admin" password="x" user_admin="x";';
  const open = `PLAINTEXT://127.0.0.1:${port},INTERNAL://127.0.0.1:${internal}`;
  return {
    "listeners": `${open},CONTROLLER://127.0.0.1:${controller}`,
    "advertised.listeners": open,
    "controller.quorum.voters": `1@127.0.0.1:${controller}`,
    "listener.security.protocol.map":
      "PLAINTEXT:PLAINTEXT,INTERNAL:SASL_PLAINTEXT,CONTROLLER:SASL_PLAINTEXT",
    "inter.broker.listener.name": "INTERNAL",
    "sasl.enabled.mechanisms": "PLAIN",
    "sasl.mechanism.inter.broker.protocol": "PLAIN",
    "sasl.mechanism.controller.protocol": "PLAIN",
    "listener.name.internal.plain.sasl.jaas.config": login,
    "listener.name.controller.plain.sasl.jaas.config": login,
    "authorizer.class.name":
      "org.apache.kafka.metadata.authorizer.StandardAuthorizer",
    "super.users": "User:admin",
  };
}

Deno.test({
  name: "what a cluster's ACLs forbid is said, with whom to ask",
  ignore: "reason" in jars,
  async fn() {
    if ("reason" in jars) return;
    const port = freePort();
    await using kafka = await startApacheKafka(jars.folder, {
      port,
      config: guarded(port),
    });
    for (const line of LINES) {
      const words = `--timeout 20s -b ${kafka.bootstrap} ${line}`;
      const { code, stdout, stderr } = await kf(words.split(" "), {
        stdin: "1\n",
      });
      assertEquals([code, line === "gen t" ? "" : stdout], [1, ""], line);
      assertMatch(
        stderr,
        /^kf: Cannot .*[A-Z]_AUTHORIZATION_FAILED\)?\. The cluster's ACLs do not allow it: ask whoever runs it$/m,
        line,
      );
    }
  },
});
