/**
 * What the active controller does by the clock, and that it does so nowhere
 * else.
 *
 * @module
 */
import { assertEquals } from "@std/assert";
import { resolveBrokerConfig } from "../../core/config/resolve.ts";
import {
  type MetadataCluster,
  replicated,
} from "../../tests/metadata_cluster.ts";
import { controllerChores } from "./controller_chores.ts";
import type { Services } from "./services.ts";

function setUp(cluster: MetadataCluster, properties = {}) {
  const told: string[] = [];
  const state = { isActive: true, followers: 2 };
  const chores = controllerChores({
    config: resolveBrokerConfig(new Map(Object.entries(properties))),
    control: (input) =>
      Promise.try(() => cluster.run<typeof input.type>(input as never)),
    quorum: {
      describe: () => ({ voters: [0], observers: Array(state.followers) }),
    } as unknown as Services["quorum"],
  }, {
    clock: { monoMs: () => cluster.nowMs },
    trace: (level, event, fields) =>
      told.push(`${level}: ${event} ${JSON.stringify(fields)}`),
    isActive: () => state.isActive,
  });
  const round = async (name: string) => {
    await chores.find((chore) => chore.name === name)!.round(0);
    return told.splice(0);
  };
  return { chores, round, state };
}

Deno.test("all silent brokers are fenced in one round, unless this process slept too", async () => {
  const cluster = replicated();
  const { chores, round } = setUp(cluster);
  const [silent] = chores;
  assertEquals(silent!.everyMs(), 1125);
  cluster.nowMs += 9_001;
  cluster.heartbeat(3);
  assertEquals(await round("silent brokers"), []);
  cluster.nowMs += 1_125;
  const event = "warn: A broker was silent for too long and is fenced";
  assertEquals(await round("silent brokers"), [
    `${event} {"broker":1}`,
    `${event} {"broker":2}`,
  ]);
  assertEquals(cluster.partition().leader, 3);
  assertEquals(await round("silent brokers"), []);
});

Deno.test("preferred leaders lead again while that is wanted and the controller is here", async () => {
  const cluster = replicated();
  cluster.heartbeat(1, { wantFence: true });
  cluster.heartbeat(1);
  cluster.propose([2, 3, 1], { from: 2 });
  const off = setUp(cluster, { "auto.leader.rebalance.enable": "false" });
  assertEquals(await off.round("preferred leaders"), []);
  const { round, state } = setUp(cluster);
  state.isActive = false;
  assertEquals(await round("preferred leaders"), []);
  assertEquals(cluster.partition().leader, 2);
  state.isActive = true;
  assertEquals(await round("preferred leaders"), [
    'info: Preferred replicas lead again {"partitions":1}',
  ]);
  assertEquals(cluster.partition().leader, 1);
});

Deno.test("unclean leaders are elected by the clock, and operators are told", async () => {
  const cluster = replicated();
  for (const id of [3, 2, 1]) cluster.heartbeat(id, { wantFence: true });
  cluster.clearElr();
  cluster.heartbeat(2);
  cluster.alter([["unclean.leader.election.enable", 0, "true"]]);
  const { round } = setUp(cluster);
  assertEquals(await round("unclean leaders"), [
    'warn: Replicas that may lack records lead now {"partitions":1}',
  ]);
  assertEquals(cluster.partition().leader, 2);
});

Deno.test("records that say nothing are written for whoever follows", async () => {
  const cluster = replicated();
  const { chores, round, state } = setUp(cluster);
  const chore = chores.find(({ name }) => name === "no-op records")!;
  assertEquals(chore.everyMs(), 500);
  const off = setUp(cluster, { "metadata.max.idle.interval.ms": "0" });
  assertEquals(off.chores.at(-1)!.everyMs(), Infinity);
  await round("no-op records");
  assertEquals(cluster.records, [{ type: "NoOp", value: {} }]);
  cluster.records = [];
  state.followers = 0;
  await round("no-op records");
  state.followers = 2;
  state.isActive = false;
  await round("no-op records");
  assertEquals(cluster.records, []);
});
