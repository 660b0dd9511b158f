/**
 * `kf metadata ls`.
 *
 * @module
 */
import type { Call } from "../command.ts";
import { ls, openMetadata, printTree, readPath } from "../metadata_tree.ts";

/** Runs `kf metadata ls`. */
export async function run(call: Call): Promise<void> {
  const { tree } = await openMetadata(call);
  await printTree(ls(tree, readPath(call.args[0] ?? "/")), call.settings);
}
