/**
 * What a node learned when it joined a cluster, as its folder keeps it: a file
 * of config keys. Owns its name and text; learns nothing itself.
 *
 * @module
 */
import type { Uuid } from "../../core/bytes/uuid.ts";
import { parseProperties } from "../../core/config/properties.ts";
import type { Disk } from "../../core/env/env.ts";
import { readText } from "../../core/log/checkpoint.ts";

/** The note of what was learned, in the data folder. */
export const JOINED_FILE = "joined.properties";

/** What a process is known by at the controllers before it has started. */
export interface Identity {
  readonly incarnationId: Uuid;
  readonly directoryId: Uuid;
}

/** What was learned. */
export interface Joining {
  readonly learned: ReadonlyMap<string, string>;
  /** Of a node whose id is new; another one was known before. */
  readonly identity: Identity | undefined;
}

/** What the folder's node learned when it joined; nothing if it didn't. */
export function joinedBefore(
  disk: Disk,
  path: string,
): ReadonlyMap<string, string> {
  return parseProperties(readText(disk, `${path}/${JOINED_FILE}`) ?? "");
}

/** The note's text. */
export function noteOf(learned: ReadonlyMap<string, string>): string {
  const lines = Array.from(learned, ([name, value]) => `${name}=${value}\n`);
  return `# What this node learned when it joined; a config that is given goes before it\n${
    lines.join("")
  }`;
}
