/**
 * Who votes on the metadata changes (KIP-853): nodes join and leave over real
 * frames and files, move, lose their disks, and restart.
 *
 * @module
 */
import { assert, assertEquals } from "@std/assert";
import { ZERO_UUID } from "../../core/bytes/uuid.ts";
import { until } from "../../tests/fixtures.ts";
import { type Member, Members } from "../../tests/quorum_members.ts";
import type { ChangeAnswer } from "../raft/voter_admin.ts";

const quorumOf = ({ metadata }: Member) => metadata!.quorum;
const votersOf = (member: Member) =>
  quorumOf(member).voters.map(({ id }) => id).join();
const WAITING = { isWaiting: true };

/** Asks whoever leads until it is done, or refused for good. */
function ask(
  members: Members,
  change: (leader: Member) => Promise<ChangeAnswer>,
): Promise<ChangeAnswer> {
  return until("an answer that stays", async () => {
    const answer = await change(await members.leader());
    const isPassing = answer.error === "REQUEST_TIMED_OUT" ||
      answer.error === "NOT_LEADER_OR_FOLLOWER";
    return isPassing ? undefined : answer;
  });
}

function add(members: Members, member: Member): Promise<ChangeAnswer> {
  return ask(
    members,
    (leader) => quorumOf(leader).admin.add(member.asked, WAITING),
  );
}

function remove(
  members: Members,
  asked: Member["asked"],
): Promise<ChangeAnswer> {
  return ask(members, (leader) => quorumOf(leader).admin.remove(asked));
}

async function agree(members: readonly Member[], voters: string) {
  for (const member of members) {
    await until(
      `node ${member.id} knows that ${voters} vote`,
      () => votersOf(member) === voters,
    );
    assertEquals(member.failures, []);
  }
}

async function setQuota(members: Members, name: string): Promise<void> {
  await until(`${name} is set`, async () => {
    const leader = await members.leader();
    return await leader.metadata!.control({
      type: "alterClientQuotas",
      entries: [{
        entity: [{ entityType: "user", entityName: name }],
        ops: [{ key: "producer_byte_rate", value: 1, remove: false }],
      }],
      validateOnly: false,
    }).then(() => true, () => false);
  });
}

const users = ({ metadata }: Member) =>
  [...metadata!.image.quotas.values()]
    .map(({ entity }) => entity[0]!.entityName).sort().join();

Deno.test("one node becomes three voters, and goes on when the first one is gone", async () => {
  await using members = await Members.start({
    voters: 0,
    observers: 3,
    isDynamic: true,
  });
  const [one, two, three] = members.all as [Member, Member, Member];
  await agree(members.all, "1");
  assertEquals(quorumOf(three).kraftVersion, 1);
  assertEquals((await add(members, two)).error, "NONE");
  assertEquals((await add(members, three)).error, "NONE");
  assertEquals((await add(members, two)).error, "DUPLICATE_VOTER");
  await agree(members.all, "1,2,3");
  await one.stop();
  await setQuota(members, "without the first");
  await one.start();
  await until(
    "all know it",
    () => members.all.every((member) => users(member) === "without the first"),
  );
  const described = await until(
    "the leader knows all directories",
    () => {
      const leader = members.all.find((each) => quorumOf(each).isActive);
      const { voters, observers } = leader?.metadata?.quorum.describe() ?? {};
      return observers?.length === 0 ? voters : undefined;
    },
  );
  assertEquals(
    described.map(({ directoryId }) => directoryId),
    members.all.map(({ asked }) => asked.directoryId),
  );
});

Deno.test("a leader that is removed steps down once that is committed, and follows", async () => {
  await using members = await Members.start({
    voters: 0,
    observers: 2,
    isDynamic: true,
  });
  const [one, two] = members.all as [Member, Member];
  assertEquals((await add(members, two)).error, "NONE");
  await until("it leads alone", () => quorumOf(one).leaderId === 1);
  assertEquals((await remove(members, one.asked)).error, "NONE");
  await agree(members.all, "2");
  await setQuota(members, "of two");
  assertEquals(quorumOf(two).isActive, true);
  await until("the first follows", () => users(one) === "of two");
  assertEquals((await remove(members, two.asked)).error, "INVALID_REQUEST");
  assertEquals((await remove(members, one.asked)).error, "VOTER_NOT_FOUND");
  for (const member of members.all) await member.stop();
  for (const member of members.all) await member.start();
  await setQuota(members, "again");
  await agree(members.all, "2");
});

Deno.test("what is asked wrongly is refused, in Kafka's order", async () => {
  await using members = await Members.start({
    voters: 0,
    observers: 2,
    isDynamic: true,
  });
  const [one, two] = members.all as [Member, Member];
  await agree(members.all, "1");
  const { admin } = quorumOf(one);
  const refused = async (asked: Member["asked"]) =>
    (await admin.add(asked, WAITING)).error;
  const { asked } = two;
  assertEquals(
    await refused({ ...asked, clusterId: "other" }),
    "INCONSISTENT_CLUSTER_ID",
  );
  assertEquals(
    (await quorumOf(two).admin.add(asked, WAITING)).error,
    "NOT_LEADER_OR_FOLLOWER",
  );
  assertEquals(
    await refused({ ...asked, directoryId: ZERO_UUID }),
    "INVALID_REQUEST",
  );
  assertEquals(await refused({ ...asked, endpoints: [] }), "INVALID_REQUEST");
  assertEquals(await refused(one.asked), "DUPLICATE_VOTER");
  const [endpoint] = asked.endpoints;
  const nowhere = [{ ...endpoint!, port: 9 }];
  assertEquals(
    await refused({ ...asked, endpoints: nowhere }),
    "REQUEST_TIMED_OUT",
  );
  // It doesn't follow by that name.
  assertEquals(await refused({ ...asked, id: 7 }), "REQUEST_TIMED_OUT");
  const both = await Promise.all([
    admin.add(asked, WAITING),
    admin.add(asked, WAITING),
  ]);
  assertEquals(both[1]!.error, "REQUEST_TIMED_OUT", "one change at a time");
  await ask(members, () => admin.add(asked, WAITING));
  await agree(members.all, "1,2");
  const told = {
    ...asked,
    epoch: quorumOf(one).epoch,
    kraftVersions: { min: 0, max: 1 },
  };
  assertEquals(
    admin.update({ ...told, epoch: told.epoch - 1 }).error,
    "FENCED_LEADER_EPOCH",
  );
  assertEquals(
    admin.update({ ...told, kraftVersions: { min: 2, max: 1 } }).error,
    "INVALID_REQUEST",
  );
  assertEquals(admin.update({ ...told, id: 7 }).error, "VOTER_NOT_FOUND");
  assertEquals(
    (await admin.upgrade(0, { isDryRun: false })).error,
    "INVALID_UPDATE_VERSION",
  );
});

Deno.test("controllers join by themselves, move, and replace a disk that was lost", async () => {
  await using members = await Members.start({
    voters: 0,
    observers: 3,
    isDynamic: true,
    isJoining: true,
    snapshotBytes: 200,
  });
  const [one, , three] = members.all as [Member, Member, Member];
  await agree(members.all, "1,2,3");
  await setQuota(members, "a");
  const { directoryId } = three.asked;
  await three.stop();
  three.format();
  three.moved = 10;
  await setQuota(members, "b");
  await three.start();
  await until("it votes from its new disk and place", () => {
    const voter = quorumOf(one).voters.find(({ id }) => id === 3);
    return voter?.directoryId === three.asked.directoryId &&
      voter.endpoints[0]?.port === three.asked.endpoints[0]?.port;
  });
  assert(three.asked.directoryId !== directoryId);
  await one.stop();
  one.moved = 20;
  await one.start();
  await until(
    "the others know where node 1 is",
    () =>
      members.all.every((member) =>
        quorumOf(member).voters.find(({ id }) => id === 1)?.endpoints[0]
          ?.port === one.asked.endpoints[0]?.port
      ),
  );
  for (let i = 0; i < 8; i++) await setQuota(members, `user-${i}`);
  await until("there is a snapshot", () => one.logStartOffset > 0);
  for (const member of members.all) await member.stop();
  for (const member of members.all) await member.start();
  await setQuota(members, "c");
  await agree(members.all, "1,2,3");
});

Deno.test("configured voters become ones that may change", async () => {
  await using members = await Members.start({ voters: 3 });
  const upgraded = await until("kraft.version is 1", async () => {
    const leader = await members.leader();
    const { error, message } = await quorumOf(leader).admin
      .upgrade(1, { isDryRun: false });
    if (error === "NONE") return leader;
    const isEarly = message?.includes("has not yet told") ||
      message?.includes("still waits") || error === "NOT_LEADER_OR_FOLLOWER";
    assert(isEarly, message ?? error);
  });
  assertEquals(quorumOf(upgraded).kraftVersion, 1);
  for (const member of members.all) {
    await until(
      "all know each other's directories",
      () =>
        quorumOf(member).voters
          .map(({ directoryId }) => directoryId).join() ===
          members.all.map(({ asked }) => asked.directoryId).join(),
    );
  }
  const [one] = members.all as [Member];
  assertEquals((await remove(members, one.asked)).error, "NONE");
  await agree(members.all, "2,3");
  for (const member of members.all) await member.stop();
  for (const member of members.all) await member.start();
  await setQuota(members, "later");
  await agree(members.all, "2,3");
  await until("the one that left follows", () => users(one) === "later");
});
