/**
 * `kf apply`.
 *
 * @module
 */
import type { Admin, Outcome } from "../../net/client.ts";
import { unique, withAdmin } from "../cluster.ts";
import type { Call } from "../command.ts";
import { confirm, requireAnswer } from "../confirm.ts";
import { ItemsFailed } from "../failure.ts";
import { printAnswer, say, throwFailed } from "../output.ts";
import { printErr } from "../terminal.ts";
import { type Change, type Plan, planOf } from "../topics_file.ts";
import { answerOf, fileOf } from "./diff.ts";

/** Runs `kf apply`. */
export async function run(call: Call): Promise<void> {
  const { flags, settings } = call;
  const path = fileOf(flags);
  await withAdmin(settings, async (admin) => {
    const plan = await planOf(path, admin);
    refuseImpossible(plan.changes);
    const isAsked = plan.changes.length > 0 && !flags.has("dry-run");
    const question = `Change the cluster to what ${path} says?`;
    if (isAsked) requireAnswer(call, question);
    await printAnswer(answerOf(plan.changes), settings);
    if (!isAsked) return;
    if (!await confirm(call, question)) {
      say("nothing changed", settings);
      return;
    }
    await carryOut(plan, admin);
  });
}

/** One impossible wish, and nothing at all is done. */
function refuseImpossible(changes: readonly Change[]): void {
  const refused = changes.filter(({ change }) => change === "impossible");
  for (const { topic, name, from, to } of refused) {
    printErr(
      `kf: Cannot bring topic "${topic}" from ${from} to ${to} ${name}: ` +
        (name === "partitions"
          ? "partitions are never taken away; make a new topic\n"
          : `kf reassign plan ${topic} -r ${to} does that\n`),
    );
  }
  if (refused.length > 0) throw new ItemsFailed("not possible");
}

async function carryOut(
  { wanted, changes }: Plan,
  admin: Admin,
): Promise<void> {
  const named = (kind: Change["change"]) =>
    new Set(
      changes.filter(({ change }) => change === kind).map(({ topic }) => topic),
    );
  const isNew = named("create");
  const grows = named("partitions");
  const creating = wanted.filter(({ name }) => isNew.has(name));
  const growing = wanted.filter(({ name }) => grows.has(name));
  const outcomes: Outcome[] = [];
  if (creating.length > 0) {
    outcomes.push(
      ...await admin.createTopics(
        creating.map(({ replicas, ...topic }) => ({
          ...topic,
          replicationFactor: replicas,
        })),
      ),
    );
  }
  if (growing.length > 0) {
    outcomes.push(
      ...await admin.createPartitions(
        growing.map(({ name, partitions = 1 }) => ({
          name,
          count: partitions,
        })),
      ),
    );
  }
  outcomes.push(
    ...await configure(changes.filter(({ topic }) => !isNew.has(topic)), admin),
  );
  throwFailed(outcomes, "change topic");
}

function configure(
  changes: readonly Change[],
  admin: Admin,
): Promise<Outcome[]> {
  const keys = changes.filter(({ change }) =>
    change === "set" || change === "unset"
  );
  const topics = unique(keys.map(({ topic }) => topic));
  if (topics.length === 0) return Promise.resolve([]);
  return admin.incrementalAlterConfigs(topics.map((name) => ({
    type: "topic" as const,
    name,
    changes: keys.filter(({ topic }) => topic === name).map((
      { change, name, to },
    ) =>
      change === "unset"
        ? { name, operation: "delete" as const }
        : { name, operation: "set" as const, value: to ?? "" }
    ),
  })));
}
