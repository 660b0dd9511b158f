/**
 * What the tests of moved topics share: a topic with many records, the whole
 * contents of one to compare, and moves that are cut short. Owns no tests.
 *
 * @module
 */
import { assertEquals } from "@std/assert";
import { createAdmin } from "../../net/client.ts";
import {
  type Finished,
  hasProgram,
  kf,
  kfCommand,
  run,
  until,
} from "../fixtures.ts";

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

/** A topic of a broker. */
type Place = readonly [{ readonly address: string }, string];

/** Two topics of three partitions hold the same; else says from where on not. */
export async function assertSameTopic(one: Place, other: Place): Promise<void> {
  const all = await contents(...one, 3);
  const wanted = await contents(...other, 3);
  for (const [p, found] of all.entries()) {
    if (found === wanted[p]) continue;
    // The whole is too long for a difference.
    const [a, b] = [found.split("\n"), wanted[p]!.split("\n")];
    const at = a.findIndex((line, i) => line !== b[i]);
    assertEquals(a.slice(at, at + 3), b.slice(at, at + 3), `partition ${p}`);
  }
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

/** Kills kf as soon as `isTime` says; whether it was in the midst of its work. */
export async function cutShort(
  line: readonly string[],
  isTime: () => boolean | Promise<boolean>,
): Promise<boolean> {
  const [program, ...args] = kfCommand(...line);
  const child = new Deno.Command(program!, {
    args,
    stdout: "null",
    stderr: "null",
  }).spawn();
  let hasEnded = false;
  const status = child.status.finally(() => hasEnded = true);
  await until("some has got there", async () => hasEnded || await isTime());
  try {
    child.kill("SIGKILL");
  } catch (error) {
    if (!(error instanceof TypeError)) throw error;
    // It has ended by itself.
  }
  return (await status).signal === "SIGKILL";
}

/**
 * Imports into one topic after the other, until one import was killed at each
 * of `counts`: what was done before would be done once more. Gives its line.
 */
export async function importCutShort(
  address: string,
  { from, counts }: {
    readonly from: readonly string[];
    readonly counts: readonly number[];
  },
): Promise<{ topic: string; line: string[] }> {
  attempt: for (let i = 0; i < 10; i++) {
    const topic = `copy${i}`;
    const line = ["import", topic, ...from, "-b", address];
    for (const count of counts) {
      const isTime = async () => await countIn(address, topic) > count;
      if (!await cutShort(line, isTime)) continue attempt;
    }
    return { topic, line };
  }
  throw new Error("Each import was done before it was killed");
}
