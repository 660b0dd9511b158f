/**
 * Voters of kf and of Apache Kafka in one quorum: each follows what the other
 * commits, and takes over from it.
 *
 * @module
 */
import { assert, assertEquals } from "@std/assert";
import { denoEnv } from "../../core/env/deno_env.ts";
import { denoTransport } from "../../net/tcp/deno_tcp.ts";
import { until } from "../fixtures.ts";
import { freePort } from "../ports.ts";
import { openMember } from "../quorum_members.ts";
import { apacheKafkaJars, startApacheKafka } from "./apache_kafka.ts";

const jars = await apacheKafkaJars();
const isMissing = "reason" in jars;
if (isMissing) console.warn(`Apache Kafka is not there: ${jars.reason}`);

const host = "127.0.0.1";

/** Node 2; both must vote, and it stands long before Apache Kafka would. */
function kfVoter(
  path: string,
  { port, kafkaPort }: { readonly port: number; readonly kafkaPort: number },
) {
  return openMember({
    env: denoEnv({ traceLevel: "error" }),
    transport: denoTransport(),
    path,
    nodeId: 2,
    address: { host, port },
    voters: [{ id: 1, host, port: kafkaPort }, { id: 2, host, port }],
    timeouts: {
      electionMs: 300,
      fetchMs: 2000,
      backoffMaxMs: 1000,
      requestMs: 2000,
    },
    snapshotBytes: 300,
    onFailed: (error) => console.error(error),
  });
}

Deno.test({
  name: "kf leads Apache Kafka's controller, steps down for it, and follows it",
  ignore: isMissing,
  fn: async () => {
    const { folder: libs } = jars as { folder: string };
    const [port, kafkaPort] = [freePort(), freePort()];
    const path = Deno.makeTempDirSync({ prefix: "kf-test-quorum-" });
    const kf = () => kfVoter(path, { port, kafkaPort });
    const first = kf();
    await first.start();
    await using _kafka = await startApacheKafka(libs, {
      port: kafkaPort,
      config: {
        "process.roles": "controller",
        "listeners": `CONTROLLER://${host}:${kafkaPort}`,
        "advertised.listeners": `CONTROLLER://${host}:${kafkaPort}`,
        "controller.quorum.voters": `1@${host}:${kafkaPort},2@${host}:${port}`,
        "controller.quorum.election.timeout.ms": "8000",
      },
    });
    await until("kf leads", () => first.metadata.quorum.isActive);
    await first.metadata.control({
      type: "alterClientQuotas",
      entries: [{
        entity: [{ entityType: "user", entityName: "of kf" }],
        ops: [{ key: "producer_byte_rate", value: 7, remove: false }],
      }],
      validateOnly: false,
    });
    // Committed: then Apache Kafka has it, for both are needed.
    const { highWatermark, logEndOffset, epoch } = first.metadata.quorum;
    assertEquals(highWatermark, logEndOffset);
    await first.stop();

    const second = kf();
    await second.start();
    try {
      const { quorum, image } = second.metadata;
      await until(
        "Apache Kafka leads, and kf follows",
        () => quorum.leaderId === 1 && quorum.epoch > epoch,
      );
      // It writes a record twice a second, and needs kf to commit it.
      const before = quorum.highWatermark;
      await until(
        "more is committed",
        () => quorum.highWatermark > Math.max(before, logEndOffset) + 3,
      );
      assertEquals(second.metadata.appliedOffset, quorum.highWatermark);
      const users = [...image.quotas.values()]
        .map(({ entity }) => entity[0]!.entityName);
      assertEquals(users, ["of kf"]);
      assert(!quorum.isActive);
    } finally {
      await second.stop();
      Deno.removeSync(path, { recursive: true });
    }
  },
});
