/**
 * Topics between a real Apache Kafka and a kf broker: copied, exported and
 * imported both ways, proven by the ledger of what was acknowledged, and
 * compared record by record. Skipped, saying why, without Java and the jars.
 *
 * @module
 */
import { assertEquals, assertMatch } from "@std/assert";
import { contents, countIn, done } from "../cli/moved_topics.ts";
import {
  kf,
  kfCommand,
  startBrokerProcess,
  temporaryFolder,
  until,
} from "../fixtures.ts";
import { apacheKafkaJars, startApacheKafka } from "./apache_kafka.ts";

const jars = await apacheKafkaJars();
const isMissing = "reason" in jars;
// deno-lint-ignore no-console
if (isMissing) console.warn(`skipped: moved topics: ${jars.reason}`);

const COUNT = 60_000;

Deno.test({
  name: "topics move between Apache Kafka and kf without loss, whichever way",
  ignore: isMissing,
  async fn() {
    if (isMissing) return;
    using folder = temporaryFolder();
    await using apache = await startApacheKafka(jars.folder);
    await using own = await startBrokerProcess({ data: `${folder.path}/d` });
    const there = { address: apache.bootstrap };
    for (const [from, to] of [[there, own], [own, there]] as const) {
      const name = from === own ? "ours" : "theirs";
      const create = ["topic", "create", name, "-p", "3", "-b", from.address];
      await done(kf([...create, "-c", "retention.ms=99999999"]));
      const ledger = await done(
        kf(["verify", "produce", name, "-n", `${COUNT}`, "-b", from.address]),
      );
      const tombstone = {
        stdin: '{"key":"k","value":null,"headers":[["h",null]]}',
      };
      const produce = ["produce", name, "--envelope", "json"];
      await done(kf([...produce, "-b", from.address], tombstone));
      const original = await contents(from, name, 3);

      const copy = [
        ...["copy", name, name, "-b", from.address],
        ...["--to-brokers", to.address],
      ];
      const [program, ...args] = kfCommand(...copy);
      const child = new Deno.Command(program!, {
        args,
        stdout: "null",
        stderr: "null",
      }).spawn();
      await until(
        "some is copied",
        async () => await countIn(to.address, name) > COUNT / 10,
      );
      child.kill("SIGKILL");
      await child.status;
      await done(kf(copy));
      assertEquals(await contents(to, name, 3), original);
      const config = ["topic", "config", name, "-b", to.address];
      assertMatch(await done(kf(config)), /retention\.ms +99999999/);
      const prove = ["verify", "consume", name, "-b", to.address];
      await done(kf(prove, { stdin: ledger }));

      const kept = `${folder.path}/${name}/`;
      await done(kf(["export", name, kept, "-b", from.address]));
      await done(kf(["import", `${name}-2`, kept, "-b", to.address]));
      assertEquals(await contents(to, `${name}-2`, 3), original);
    }
  },
});
