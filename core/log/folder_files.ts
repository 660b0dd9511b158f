/**
 * The small files at the top of a data folder: whose it is, and how it was
 * left. Owns how their texts are read; it must never guess what isn't there.
 *
 * @module
 */
import type { Uuid } from "../bytes/uuid.ts";

/** What `meta.properties` says of a folder. */
export interface FolderMeta {
  readonly clusterId: Uuid;
  readonly nodeId: string;
  readonly directoryId: Uuid;
}

/** Names and values of a `.properties` file, in order. */
export function propertiesOf(text: string): (readonly [string, string])[] {
  return text.split("\n").filter((line) => /^[^#]+=/.test(line)).map((line) => {
    const at = line.indexOf("=");
    return [line.slice(0, at).trim(), line.slice(at + 1).trim()];
  });
}

/** Reads a `meta.properties`; undefined when it can't be used. */
export function parseMeta(text: string): FolderMeta | undefined {
  const properties = new Map(propertiesOf(text));
  const clusterId = properties.get("cluster.id");
  const directoryId = properties.get("directory.id");
  const nodeId = properties.get("node.id");
  if (properties.get("version") !== "1") return undefined;
  if (!clusterId || !directoryId || !nodeId) return undefined;
  return { clusterId, nodeId, directoryId };
}
