/**
 * Members of one group, each of any client: who has which partitions, as the
 * broker tells, and that each record comes to the member that has its
 * partition. Owns the play of joining and leaving; how a client joins is its
 * own file's.
 *
 * @module
 */
import { assertEquals } from "@std/assert";
import {
  createAdmin,
  createProducer,
  type TopicPartition,
} from "../../net/client.ts";
import { kfCommand, until } from "../fixtures.ts";

/** Who divides the partitions: a member by one of the first, or the broker. */
export type Assignor = "roundrobin" | "cooperative-sticky" | "uniform";

/** A group, which is named like its topic. */
export interface Group {
  readonly bootstrap: string;
  readonly topic: string;
  readonly assignor: Assignor;
}

/** Where a member joins. */
export interface Seat extends Group {
  /** By which the broker's description tells the members apart. */
  readonly clientId: string;
}

/** A member that reads. */
export interface Member {
  /** What it has read so far, each as `PARTITION OFFSET`. */
  readonly records: () => readonly string[];
  /** Leaves the group and ends. */
  readonly leave: () => Promise<void>;
}

/** Joins from the earliest record. */
export type Join = (seat: Seat) => Promise<Member>;

/** Joins as a program that prints a line a record until a signal ends it. */
export function joinWithProgram(
  [program, ...args]: readonly string[],
  { env = {}, signal = "SIGTERM" }: {
    readonly env?: Record<string, string>;
    readonly signal?: Deno.Signal;
  } = {},
): Promise<Member> {
  const child = new Deno.Command(program!, {
    args,
    env,
    stdin: "null",
    stdout: "piped",
    stderr: "piped",
  }).spawn();
  let printed = "";
  let hasEnded = false;
  const reading = (async () => {
    for await (
      const part of child.stdout.pipeThrough(new TextDecoderStream())
    ) {
      printed += part;
    }
    hasEnded = true;
  })();
  const complaints = new Response(child.stderr).text();
  return Promise.resolve({
    records: () => printed.split("\n").slice(0, -1),
    async leave() {
      if (!hasEnded) child.kill(signal);
      const { code } = await child.status;
      await reading;
      assertEquals(
        code,
        0,
        `${program} ${args.join(" ")}: ${await complaints}`,
      );
    },
  });
}

/** `kf consume` as a member. */
export const joinWithKf: Join = ({ bootstrap, topic, clientId, assignor }) =>
  joinWithProgram(
    kfCommand(
      ...["consume", topic, "-g", topic, "-b", bootstrap, "-f", "%p %o\\n"],
      ...["-X", `client.id=${clientId}`],
      ...propertiesOf(assignor).flatMap((property) => ["-X", property]),
    ),
    { signal: "SIGINT" },
  );

/** Those of Kafka's own clients and of all that use their names. */
export function propertiesOf(assignor: Assignor): string[] {
  return assignor === "uniform"
    ? ["group.protocol=consumer", `group.remote.assignor=${assignor}`]
    : [
      `partition.assignment.strategy=${assignor}`,
      "heartbeat.interval.ms=200",
      "session.timeout.ms=10000",
    ];
}

/**
 * Lets the members join one after the other, then leave in the same order; the
 * partitions are shared evenly each time, and what is produced then is read by
 * whoever has its partition.
 */
export async function takeTurns(
  group: Group,
  joins: readonly Join[],
): Promise<void> {
  const members = new Map<string, Member>();
  try {
    for (const [i, join] of joins.entries()) {
      const clientId = `member-${i}`;
      members.set(clientId, await join({ ...group, clientId }));
      await readEvenly(group, members);
    }
    for (const clientId of [...members.keys()].slice(0, -1)) {
      const member = members.get(clientId)!;
      members.delete(clientId);
      await member.leave();
      await readEvenly(group, members);
    }
  } finally {
    await Promise.all([...members.values()].map((member) => member.leave()));
  }
}

/** Waits until the members share the topic, then for one record of each. */
async function readEvenly(
  { bootstrap, topic, assignor }: Group,
  members: ReadonlyMap<string, Member>,
): Promise<void> {
  const admin = createAdmin({ "bootstrap.servers": bootstrap });
  try {
    const [described] = await admin.describeTopics([topic]);
    const count = described!.partitions.length;
    const owners = await until(
      `${members.size} members share ${topic}`,
      async () => {
        const [group] = await admin.describeGroups([topic]);
        if (group?.state !== "Stable") return;
        const shares = group.members.map(({ assignment }) => assignment.length);
        const isWhole = shares.reduce((a, b) => a + b, 0) === count;
        const isEven = Math.max(...shares) - Math.min(...shares) <= 1;
        const isAll = shares.length === members.size;
        if (!isAll || !isWhole || !isEven) return;
        assertEquals(group.protocol, assignor);
        return group.members;
      },
    );
    const offsets = await produceToEach(bootstrap, topic, count);
    for (const { clientId, assignment } of owners) {
      const wanted = offsets.filter((at) => isOf(assignment, at));
      const reads = () => members.get(clientId)!.records();
      const what = `${clientId} reads ${wanted.join(", ")}`;
      await until(what, () => wanted.every((at) => reads().includes(at)))
        .catch(async ({ message }) => {
          // Whether somebody else has the partition, or got the record.
          const now = JSON.stringify(await admin.describeGroups([topic]));
          const all = [...members].map(([id, { records }]) =>
            `${id} read ${records().slice(-count).join(", ")}`
          );
          throw new Error([message, now, ...all].join("\n"));
        });
    }
  } finally {
    await admin.close();
  }
}

function isOf(assignment: readonly TopicPartition[], at: string): boolean {
  return assignment.some(({ partition }) => at.startsWith(`${partition} `));
}

/** One record to each partition; gives their `PARTITION OFFSET`. */
async function produceToEach(
  bootstrap: string,
  topic: string,
  count: number,
): Promise<string[]> {
  const producer = createProducer({ "bootstrap.servers": bootstrap });
  const sent = Array.from(
    { length: count },
    (_, partition) => producer.send({ topic, partition, value: "x" }),
  );
  await producer.close();
  return (await Promise.all(sent)).map(({ partition, offset }) =>
    `${partition} ${offset}`
  );
}
