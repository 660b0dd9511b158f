/**
 * Several nodes keep one metadata log: they elect, replicate, lose leaders,
 * come back, and take in snapshots, over real frames and files.
 *
 * @module
 */
import { assert, assertEquals, assertMatch, assertRejects } from "@std/assert";
import { KafkaError } from "../../core/errors.ts";
import {
  encodeMetadataRecord,
  metadataRecord,
} from "../../core/metadata/records.ts";
import { buildBatch } from "../../core/record/builder.ts";
import { until } from "../../tests/fixtures.ts";
import { type Member, Members } from "../../tests/quorum_members.ts";

/** Sets a quota for user `name` through the controller of `member`. */
async function change(member: Member, name: string): Promise<void> {
  await member.metadata!.control({
    type: "alterClientQuotas",
    entries: [{
      entity: [{ entityType: "user", entityName: name }],
      ops: [{ key: "producer_byte_rate", value: 1, remove: false }],
    }],
    validateOnly: false,
  });
}

/** The same through whoever leads, which a slow machine may change. */
async function changeAnywhere(
  members: Members,
  name: string,
  of: readonly Member[] = members.all,
): Promise<Member> {
  for (;;) {
    const leader = await members.leader(of);
    try {
      await change(leader, name);
      return leader;
    } catch (error) {
      const hasMoved = error instanceof KafkaError &&
        error.error === "NOT_CONTROLLER";
      if (!hasMoved) throw error;
    }
  }
}

const users = ({ metadata }: Member) =>
  [...metadata!.image.quotas.values()]
    .map(({ entity }) => entity[0]!.entityName).sort();

/** Resolves when all of them know exactly these users. */
async function know(members: readonly Member[], names: readonly string[]) {
  for (const member of members) {
    await until(
      `node ${member.id} knows ${names}`,
      () => users(member).join() === [...names].sort().join(),
    );
    assertEquals(member.failures, []);
  }
}

const without = (members: Members, member: Member) =>
  members.all.filter((each) => each !== member);

Deno.test("three voters elect a leader, and all nodes know what it commits", async () => {
  await using members = await Members.start({ voters: 3, observers: 1 });
  await changeAnywhere(members, "a");
  await know(members.all, ["a"]);
  for (const { metadata } of members.all) {
    assertEquals(metadata!.image.features.has("metadata.version"), true);
  }
  const described = await until("all have all", () => {
    const quorums = members.all.map(({ metadata }) => metadata!.quorum);
    const leader = quorums.find(({ isActive }) => isActive);
    const { voters, observers } = leader?.describe() ??
      { voters: [], observers: [] };
    const isLevel = [...voters, ...observers].every(({ logEndOffset }) =>
      logEndOffset === leader?.logEndOffset
    );
    const isAgreed = quorums.every(({ leaderId, epoch }) =>
      leaderId === leader?.leaderId && epoch === leader.epoch
    );
    const isDone = isLevel && isAgreed && observers.length === 1;
    return isDone ? { voters, observers } : undefined;
  });
  assertEquals(described.voters.map(({ id }) => id), [1, 2, 3]);
  assertEquals(described.observers.map(({ id }) => id), [4]);
  assert(described.voters.every(({ caughtUpMs }) => caughtUpMs > 0));
});

Deno.test("only the leader decides, and one that was cut off decides nothing", async () => {
  await using members = await Members.start({ voters: 3 });
  await changeAnywhere(members, "a");
  await know(members.all, ["a"]);
  for (const other of members.all) {
    if (other.metadata!.quorum.isActive) continue;
    const { error } = await assertRejects(() => change(other, "a"), KafkaError);
    assertEquals(error, "NOT_CONTROLLER");
  }
  const first = await members.leader();
  first.cutOff();
  const lost = assertRejects(() => change(first, "lost"), KafkaError);
  const others = without(members, first);
  await changeAnywhere(members, "b", others);
  assertEquals((await lost).error, "NOT_CONTROLLER");
  first.rejoin();
  await changeAnywhere(members, "c");
  await know(members.all, ["a", "b", "c"]);
});

Deno.test("a leader that stops is followed, and learns what it missed", async () => {
  await using members = await Members.start({ voters: 3 });
  const first = await changeAnywhere(members, "a");
  await first.stop();
  await changeAnywhere(members, "b");
  await first.start();
  await know(members.all, ["a", "b"]);
  // Without a majority nothing is decided.
  const last = await members.leader();
  await Promise.all(without(members, last).map((member) => member.stop()));
  await until("it resigns", () => !last.metadata!.quorum.isActive);
  await assertRejects(() => change(last, "no"), KafkaError);
  assertEquals(users(last), ["a", "b"]);
});

Deno.test("what was committed is there when all have been restarted", async () => {
  await using members = await Members.start({ voters: 3 });
  await changeAnywhere(members, "a");
  const epochs = members.all.map(({ metadata }) => metadata!.quorum.epoch);
  await Promise.all(members.all.map((member) => member.stop()));
  await Promise.all(members.all.map((member) => member.start()));
  const leader = await changeAnywhere(members, "b");
  assert(leader.metadata!.quorum.epoch > Math.max(...epochs));
  await know(members.all, ["a", "b"]);
});

Deno.test("who missed what is in a snapshot only takes that in", async () => {
  await using members = await Members.start({
    voters: 3,
    observers: 1,
    snapshotBytes: 200,
  });
  const late = members.all[3]!;
  await changeAnywhere(members, "a");
  await know(members.all, ["a"]);
  await late.stop();
  const names = ["a"];
  for (let i = 0; i < 12; i++) {
    names.push(`user-${i}`);
    await changeAnywhere(members, names.at(-1)!);
  }
  await know(without(members, late), names);
  await late.start();
  await know([late], names);
  // It takes up again where the snapshot ends: before that it holds nothing.
  assert(late.logStartOffset > 12, `its log begins at ${late.logStartOffset}`);
  await changeAnywhere(members, "z");
  await know(members.all, [...names, "z"]);
  await late.stop();
  await late.start();
  await know([late], [...names, "z"]);
});

Deno.test("an observer finds each leader through its bootstrap server, and takes in a snapshot", async () => {
  await using members = await Members.start({
    voters: 3,
    observers: 1,
    isBootstrapped: true,
    snapshotBytes: 200,
  });
  const late = members.all[3]!;
  await changeAnywhere(members, "a");
  await know(members.all, ["a"]);
  await late.stop();
  const first = await members.leader();
  await first.stop();
  const names = ["a"];
  for (let i = 0; i < 12; i++) {
    names.push(`user-${i}`);
    await changeAnywhere(members, names.at(-1)!);
  }
  await first.start();
  await late.start();
  await know(members.all, names);
  const { quorum } = late.metadata!;
  assertEquals(quorum.isActive, false);
  assertEquals(quorum.voters, []);
  assert(late.logStartOffset > 0, "it took in a snapshot");
});

/** What a newer Kafka that led would have written. */
function raiseUnknown({ metadata }: Member): void {
  const record = { name: "share.version", featureLevel: 1 };
  const value = encodeMetadataRecord(metadataRecord("FeatureLevel", record));
  metadata!.quorum.append(
    buildBatch([{ timestamp: 1, key: null, value }], {}),
  );
}

/** Resolves when it has failed, which says why. */
async function failsByLevel(member: Member): Promise<void> {
  const error = await until(
    `node ${member.id} fails`,
    () => member.failures[0],
  );
  assertMatch(
    String(error),
    /is at a level that this broker doesn't support: share\.version is at level 1, and this broker knows no such feature$/,
  );
}

Deno.test("who leads others stops at a level of a feature that it doesn't know", async () => {
  await using members = await Members.start({ voters: 3 });
  const raised = new Set<number>();
  const failed = await until("whoever leads fails", () => {
    for (const member of members.all) {
      const { isActive, epoch } = member.metadata!.quorum;
      // Again by the next one, if a slow machine lets another lead.
      if (!isActive || raised.has(epoch)) continue;
      raised.add(epoch);
      raiseUnknown(member);
    }
    return members.all.find(({ failures }) => failures.length > 0);
  });
  await failsByLevel(failed);
});

Deno.test("a level that isn't known ends who follows, and not who is alone with it", async () => {
  await using members = await Members.start({
    voters: 1,
    observers: 1,
    snapshotBytes: 200,
  });
  const [alone, follower] = members.all as [Member, Member];
  await change(alone, "a");
  await know(members.all, ["a"]);
  raiseUnknown(alone);
  await failsByLevel(follower);
  await change(alone, "b");
  await know([alone], ["a", "b"]);
  // Its folder can be read again, and what it reads is in the snapshot now.
  await follower.stop();
  await alone.stop();
  await alone.start();
  await know([alone], ["a", "b"]);
  follower.format();
  await follower.start();
  await until("it fails again", () => follower.failures.length === 2);
});
