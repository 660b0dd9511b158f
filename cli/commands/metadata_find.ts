/**
 * `kf metadata find`.
 *
 * @module
 */
import type { Call } from "../command.ts";
import { find, openMetadata, printTree, readPath } from "../metadata_tree.ts";

/** Runs `kf metadata find`. */
export async function run(call: Call): Promise<void> {
  const [pattern, path = "/"] = call.args;
  const { tree } = await openMetadata(call);
  const found = find(tree, { pattern: pattern!, path: readPath(path) });
  await printTree(found, call.settings);
}
