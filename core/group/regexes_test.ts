/**
 * Regular expressions that take long to match hold nobody up.
 *
 * @module
 */
import { assert, assertEquals, assertLess } from "@std/assert";
import { heartbeatOf } from "../../tests/scenario/consumer_words.ts";
import { GroupWorld } from "../../tests/scenario/group_world.ts";
import { KafkaError } from "../errors.ts";
import { LIMITS } from "../limits.ts";
import type { ConsumerHeartbeatReply, GroupReply } from "./inputs.ts";

/** Two thousand steps for each character of a name. */
const SLOW = "([ab]?){1000}";
const TOPICS = 64;

async function beat(
  world: GroupWorld,
  args: Record<string, string>,
): Promise<GroupReply | KafkaError> {
  const answer = Promise.withResolvers<GroupReply | KafkaError>();
  const input = heartbeatOf("a", new Map(Object.entries(args)));
  world.submit({ ...input, groupId: "g" }, answer.resolve);
  await world.settle();
  return answer.promise;
}

/** The epoch that the only member is in. */
function epochIn(world: GroupWorld): string {
  const [member] = world.machine.consumerGroup("g")!.members.values();
  return String(member!.epoch);
}

function createTopics(world: GroupWorld): string[] {
  const names = Array.from(
    { length: TOPICS },
    (_, i) =>
      (i + 2 ** 19).toString(2).replaceAll("0", "a").replaceAll("1", "b"),
  );
  for (const name of names) world.topics.set(name, 1);
  world.topics.set("c", 1);
  return names.sort();
}

Deno.test("topics of a slow expression are found a few at a time, and by its turns alone", async () => {
  const world = new GroupWorld();
  const names = createTopics(world);
  const joined = await beat(world, { regex: SLOW }) as ConsumerHeartbeatReply;
  assertEquals(joined.assignment, []);
  const group = world.machine.consumerGroup("g")!;
  assertEquals(group.regexes.size, 0);
  let turns = 0;
  for (let at = group.search!.at; group.search !== null; turns++) {
    const { search } = group;
    await beat(world, { epoch: epochIn(world) });
    assert(group.search === search, "who asks again makes it no faster");
    await world.advance(LIMITS.groupRegexPauseMs);
    const next = group.search?.at ?? TOPICS + 1;
    assert(next > at && next - at < TOPICS / 2, `from ${at} to ${next}`);
    at = next;
  }
  assertLess(2, turns);
  assertEquals(group.regexes.get(SLOW)!.topics, names);
  const found = await beat(world, {
    epoch: epochIn(world),
  }) as ConsumerHeartbeatReply;
  assertEquals(found.assignment?.length, TOPICS);
});

Deno.test("topics that come during a search are found after it", async () => {
  const world = new GroupWorld();
  createTopics(world);
  await beat(world, { regex: SLOW });
  world.topics.set("aa", 1);
  await world.advance(100 * LIMITS.groupRegexPauseMs);
  const group = world.machine.consumerGroup("g")!;
  assertEquals(group.regexes.get(SLOW)!.topics.length, TOPICS);
  await world.advance(10_000);
  await beat(world, { epoch: epochIn(world) });
  await world.advance(100 * LIMITS.groupRegexPauseMs);
  assertEquals(group.regexes.get(SLOW)!.topics.length, TOPICS + 1);
});

Deno.test("a search ends with the last member that wants it", async () => {
  const world = new GroupWorld();
  createTopics(world);
  await beat(world, { regex: SLOW });
  const group = world.machine.consumerGroup("g")!;
  assert(group.search !== null);
  await beat(world, { epoch: epochIn(world), topics: "c", regex: "" });
  assertEquals(group.search, null);
});

Deno.test("a larger expression than a broker has time for is refused", async () => {
  const world = new GroupWorld();
  const refused = await beat(world, { regex: SLOW.repeat(3) });
  assert(refused instanceof KafkaError);
  assertEquals(refused.error, "INVALID_REGULAR_EXPRESSION");
});
