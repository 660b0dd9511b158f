/**
 * What the tests of moved topics share: a topic with many records, and the
 * whole contents of one to compare. Owns no tests.
 *
 * @module
 */
import { assertEquals } from "@std/assert";
import { createAdmin } from "../../net/client.ts";
import { type Finished, hasProgram, kf, kfCommand, run } from "../fixtures.ts";

const HAS_KCAT = hasProgram("kcat", "-V");

/** Everything of a topic, partition by partition; by kcat where there is one. */
export async function contents(
  broker: { readonly address: string },
  topic: string,
  partitions: number,
): Promise<string[]> {
  const found: string[] = [];
  const format = "%p %o %T %K:%k %S:%s %h\\n";
  for (let p = 0; p < partitions; p++) {
    const { address } = broker;
    const command = HAS_KCAT
      ? ["kcat", "-b", address, "-C", "-t", topic, "-p", `${p}`, "-eq"]
      : kfCommand("consume", topic, "-p", `${p}`, "-e", "-b", address);
    const { code, stdoutBytes, stderr } = await run([
      ...command,
      "-f",
      format,
    ]);
    assertEquals(code, 0, stderr);
    found.push(new TextDecoder("latin1").decode(stdoutBytes));
  }
  return found;
}

/** What a command printed that must not fail. */
export async function done(finished: Promise<Finished>): Promise<string> {
  const { code, stdout, stderr } = await finished;
  assertEquals(code, 0, stderr);
  return stdout;
}

/** A topic with three partitions of `count` records together. */
export async function writeMany(address: string, count: number): Promise<void> {
  const cluster = ["-b", address];
  await done(kf(["topic", "create", "many", "-p", "3", ...cluster]));
  await done(
    kf(["gen", "many", "-n", `${count}`, "--keys", "50", ...cluster]),
  );
}

/** Records that have ever come into a topic. */
export async function countIn(address: string, topic: string): Promise<number> {
  const admin = createAdmin({ "bootstrap.servers": address });
  try {
    const [found] = await admin.describeTopics([topic]);
    const ends = await admin.listOffsets(found!.partitions, "latest");
    return ends.reduce((sum, { offset }) => sum + Math.max(0, offset), 0);
  } finally {
    await admin.close();
  }
}
