/**
 * `kf metadata cat`.
 *
 * @module
 */
import type { Call } from "../command.ts";
import { cat, openMetadata, printTree, readPath } from "../metadata_tree.ts";

/** Runs `kf metadata cat`. */
export async function run(call: Call): Promise<void> {
  const { tree } = await openMetadata(call);
  await printTree(cat(tree, readPath(call.args[0] ?? "/")), call.settings);
}
