/**
 * `kf cluster remove`. The controller would take any broker out; who still runs
 * or has replicas is refused here.
 *
 * @module
 */
import type { Admin } from "../../net/client.ts";
import { withAdmin } from "../cluster.ts";
import type { Call } from "../command.ts";
import { confirm, requireAnswer } from "../confirm.ts";
import { printAnswer, say } from "../output.ts";
import { parseCount } from "../units.ts";

/** Runs `kf cluster remove`. */
export async function run(call: Call): Promise<void> {
  const { args, flags, settings } = call;
  const id = parseCount(args[0] ?? "", { name: "the id of a broker" });
  const question = `Forget broker ${id}?`;
  const isDry = flags.has("dry-run");
  if (!isDry) requireAnswer(call, question);
  await withAdmin(settings, async (admin) => {
    await refuseInUse(admin, id);
    if (!isDry) {
      if (!await confirm(call, question)) {
        return say("nobody removed", settings);
      }
      await admin.unregisterBroker(id);
    }
    await printAnswer({
      json: { nodeId: id, removed: !isDry },
      columns: ["broker", "outcome"],
      rows: [[id, isDry ? "would be removed" : "removed"]],
    }, settings);
  });
}

async function refuseInUse(admin: Admin, id: number): Promise<void> {
  const { nodes } = await admin.describeCluster();
  if (nodes.some(({ nodeId }) => nodeId === id)) {
    throw new Error(
      `Cannot remove broker ${id}: it is running; move what it has with kf reassign drain --broker ${id}, then stop it`,
    );
  }
  const names = (await admin.listTopics()).map(({ name }) => name);
  const held = (await admin.describeTopics(names))
    .flatMap(({ partitions }) => partitions)
    .filter(({ replicas }) => replicas.includes(id)).length;
  if (held === 0) return;
  throw new Error(
    `Cannot remove broker ${id}: ${held} partitions have a replica there; move them with kf reassign drain --broker ${id}`,
  );
}
