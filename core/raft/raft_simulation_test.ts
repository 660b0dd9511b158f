/**
 * Quorums of raft machines through random losses, crashes and partitions: what
 * is committed stays, and once the trouble ends they agree again.
 *
 * @module
 */
import { assert, assertEquals } from "@std/assert";
import fc from "fast-check";
import { type Member, World } from "./quorum_fixture.ts";

const stepArbitrary = fc.record({
  what: fc.constantFrom(
    "pass",
    "pass",
    "append",
    "append",
    "crash",
    "restart",
    "split",
    "heal",
    "lose",
    "compact",
    "resign",
  ),
  who: fc.nat(4),
  ms: fc.nat(3000),
});

interface Step {
  readonly what: string;
  readonly who: number;
  readonly ms: number;
}

function take(world: World, { what, who, ms }: Step): void {
  const member = world.members[who % world.members.length]!;
  switch (what) {
    case "pass":
      return void world.pass(ms);
    case "append":
      for (const each of world.members) each.append(`${each.id} at ${ms}`);
      return void world.pass(ms % 30);
    case "crash":
      if (member.isUp) member.crash();
      return void world.pass(ms % 50);
    case "restart":
      if (!member.isUp) member.restart();
      return void world.pass(ms % 50);
    case "split":
      return void world.sides.set(member.id, 1 + ms % 2);
    case "heal":
      return world.sides.clear();
    case "lose":
      world.lossRate = (ms % 40) / 100;
      return;
    case "compact":
      return member.compact();
    case "resign":
      if (member.isUp) member.act((raft) => raft.step({ type: "resign" }));
      return;
  }
}

/** All trouble ends; whoever can must agree then, and go on. */
function recovers(world: World): void {
  world.lossRate = 0;
  world.sides.clear();
  for (const member of world.members) if (!member.isUp) member.restart();
  const isEverywhere = () =>
    world.committed.some(({ value }) => value === "the end") &&
    world.members.every(({ raft, log }) =>
      raft.highWatermark === world.committed.length &&
      log.logEndOffset === world.committed.length
    );
  let isDone = false;
  // A leader that has lost its voters doesn't know it at once: try again.
  for (let round = 0; round < 15 && !isDone; round++) {
    world.leader?.append("the end");
    isDone = world.pass(2_000, isEverywhere);
  }
  assert(isDone, "all have all");
  for (const { log } of world.members) {
    assertEquals(log.records, world.committed);
  }
  const { leader } = world;
  const votes = leader?.log.quorum.voters.some(({ id }) => id === leader.id);
  assert(votes !== false, "who leads votes");
}

Deno.test("whatever fails, committed records stay, and the quorum recovers", () => {
  const property = fc.property(
    fc.integer({ min: 1, max: 5 }),
    fc.nat(2),
    fc.nat(),
    fc.array(stepArbitrary, { minLength: 5, maxLength: 40 }),
    (voters, observers, seed, steps) => {
      const world = new World({ voters, observers, seed });
      world.pass(3000);
      for (const step of steps) take(world, step);
      recovers(world);
    },
  );
  fc.assert(property, { numRuns: 200 });
});

const changeArbitrary = fc.record({
  what: fc.constantFrom(
    "pass",
    "pass",
    "append",
    "append",
    "crash",
    "restart",
    "split",
    "heal",
    "lose",
    "compact",
    "resign",
    "add",
    "add",
    "remove",
    "remove",
    "move",
    "format",
  ),
  who: fc.nat(4),
  ms: fc.nat(3000),
});

/** Also lets who votes change; each believes itself to be asked as the leader. */
function takeChange(world: World, step: Step): void {
  const member = world.members[step.who % world.members.length]!;
  switch (step.what) {
    case "add":
      for (const each of world.members) {
        each.change({ type: "add", voter: member.own });
      }
      return void world.pass(step.ms % 300);
    case "remove":
      // Who lost a voter's disk must not lose another voter before it is gone.
      if (world.isCrippled) return;
      for (const each of world.members) {
        each.change({ type: "remove", voter: member.own });
      }
      return void world.pass(step.ms % 300);
    case "move":
      return member.move(100 + step.ms);
    case "format":
      return format(world, member);
    default:
      return take(world, step);
  }
}

/** The disk of one voter may be lost where a majority is left without it. */
function format(world: World, member: Member): void {
  const isLoss = world.members.every(({ log: { quorum: { voters } } }) =>
    voters.length === 0 || voters.length > 2
  );
  if (world.isCrippled || !isLoss || world.committed.length === 0) return;
  world.gone.set(member.own.directoryId, [...member.stored.records]);
  member.format(`${member.id}-${world.gone.size}`);
}

Deno.test("whatever fails while voters come and go, committed records stay", () => {
  const property = fc.property(
    fc.integer({ min: 1, max: 4 }),
    fc.integer({ min: 1, max: 3 }),
    fc.boolean(),
    fc.nat(),
    fc.array(changeArbitrary, { minLength: 5, maxLength: 50 }),
    (voters, observers, isJoining, seed, steps) => {
      const world = new World({
        voters,
        observers,
        isDynamic: true,
        isJoining,
        seed,
      });
      world.pass(3000);
      for (const step of steps) takeChange(world, step);
      recovers(world);
    },
  );
  fc.assert(property, { numRuns: 200 });
});
