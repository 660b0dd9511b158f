/**
 * Kafka's own clients for Java, out of the jars of {@linkcode apacheKafkaJars}.
 * Owns how they are run; says why they can't be.
 *
 * @module
 */
import { run } from "../fixtures.ts";
import { apacheKafkaJars } from "./apache_kafka.ts";
import type { Client } from "./capabilities.ts";
import { programClient } from "./program.ts";

const PROBE = new URL("./java/Probe.java", import.meta.url).pathname;

/** The jars' folder, or why there is none that a source can be run with. */
async function find(): Promise<{ folder: string } | { reason: string }> {
  const compiler = await run(["which", "javac"]);
  if (compiler.code !== 0) return { reason: "javac is not installed" };
  return await apacheKafkaJars();
}

/** The version of kafka-clients, which its jar is named by. */
function versionIn(folder: string): string {
  return [...Deno.readDirSync(folder)]
    .map(({ name }) => /^kafka-clients-([\d.]+)\.jar$/.exec(name)?.[1])
    .find((version) => version !== undefined)!;
}

export async function javaClient(): Promise<Client> {
  const found = await find();
  const name = "Kafka's Java clients";
  if ("reason" in found) {
    return programClient({
      name,
      version: "",
      command: [],
      missing: found.reason,
    });
  }
  const command = [
    "java",
    "-Xmx200m",
    "-XX:+UseSerialGC",
    "-XX:TieredStopAtLevel=1",
    "-cp",
    `${found.folder}/*`,
    PROBE,
  ];
  return programClient({ name, version: versionIn(found.folder), command });
}
