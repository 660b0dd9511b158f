/**
 * Walking the tree of a cluster's metadata: paths, what is at them, and the
 * answers of ls, cat and find. It must never read a file itself.
 *
 * @module
 */
import type { MetadataTree, MetadataView } from "../core/metadata.ts";
import { parseNode } from "./address.ts";
import type { Call } from "./command.ts";
import { UsageError } from "./failure.ts";
import {
  type Answer,
  type Cell,
  jsonText,
  printable,
  printAnswer,
  say,
} from "./output.ts";
import type { Settings } from "./settings.ts";
import { printOut } from "./terminal.ts";
import { parsePath } from "./units.ts";

/** Where `kf broker` keeps its data when nothing else is said. */
const DATA = "kf-data";

/** Names on the way down from the root. */
export type Path = readonly string[];

/** An answer that text prints in a way of its own. */
export interface TreeAnswer extends Answer {
  readonly text: string;
}

/** Reads the metadata that `--data` or `--from` names; says what it lacks. */
export async function openMetadata(
  { flags, settings }: Pick<Call, "flags" | "settings">,
): Promise<MetadataView> {
  const from = flags.parsed("from", parseNode);
  const data = flags.parsed("data", parsePath);
  if (from !== undefined && data !== undefined) {
    throw new UsageError("Cannot take both --data and --from: give one");
  }
  let view: MetadataView;
  if (from === undefined) {
    const { readMetadata } = await import("../core/metadata.ts");
    view = readMetadata(data ?? DATA);
  } else view = await askQuorum(from, settings);
  for (const what of view.missing) say(`missing: ${what}`, settings);
  return view;
}

async function askQuorum(
  from: ReturnType<typeof parseNode>,
  { timeoutMs }: Settings,
): Promise<MetadataView> {
  const { readQuorumMetadata } = await import("../net/client.ts");
  try {
    return await readQuorumMetadata(from, timeoutMs ? { timeoutMs } : {});
  } catch (error) {
    if (!(error instanceof Error && "step" in error)) throw error;
    throw new Error(
      `Cannot read the metadata: ${error.message}. Give a controller's or a broker's address with --from, or a folder with --data`,
      { cause: error },
    );
  }
}

/** Prints an answer of {@linkcode ls}, {@linkcode cat} or {@linkcode find}. */
export async function printTree(
  answer: TreeAnswer,
  settings: Settings,
): Promise<void> {
  if (settings.format === "text") printOut(answer.text);
  else await printAnswer(answer, settings);
}

/** Reads `text` as it stands in `from`: `..` goes up, `%2F` is a slash. */
export function readPath(text: string, from: Path = []): Path {
  const path = text.startsWith("/") ? [] : [...from];
  for (const word of text.split("/")) {
    if (word === "..") path.pop();
    else if (word !== "" && word !== ".") path.push(decoded(word));
  }
  return path;
}

/** A path as text that {@linkcode readPath} reads. */
export function pathText(path: Path): string {
  return `/${path.map(encoded).join("/")}`;
}

/** What is at `path`; throws when nothing is. */
export function nodeAt(tree: MetadataTree, path: Path): unknown {
  let node: unknown = tree;
  for (const [i, name] of path.entries()) {
    if (!isBranch(node) || !Object.hasOwn(node, name)) {
      throw new Error(
        `Cannot find "${pathText(path)}": there is no ${
          JSON.stringify(name)
        } in ${pathText(path.slice(0, i))}`,
      );
    }
    node = node[name];
  }
  return node;
}

/** Whether something lies below a node. */
export function isBranch(node: unknown): node is MetadataTree {
  return typeof node === "object" && node !== null && !Array.isArray(node);
}

/** The names below `path`, or of itself when nothing is below. */
export function ls(tree: MetadataTree, path: Path): TreeAnswer {
  const node = nodeAt(tree, path);
  return listed(
    tree,
    isBranch(node) ? Object.keys(node).map((name) => [...path, name]) : [path],
    (each) => encoded(each.at(-1)!),
  );
}

/** All that is at `path` and below. */
export function cat(tree: MetadataTree, path: Path): TreeAnswer {
  const node = nodeAt(tree, path);
  return {
    json: node,
    text: `${jsonText(node)}\n`,
    columns: ["path", "value"],
    rows: [...leaves(node, path)],
  };
}

/** The paths in `path` and below whose last name matches `pattern`. */
export function find(
  tree: MetadataTree,
  { pattern, path }: { readonly pattern: string; readonly path: Path },
): TreeAnswer {
  const matcher = globOf(pattern);
  const found: Path[] = [];
  const visit = (node: unknown, at: Path) => {
    const name = at.at(-1);
    if (name !== undefined && matcher.test(name)) found.push(at);
    if (!isBranch(node)) return;
    for (const [below, inner] of Object.entries(node)) {
      visit(inner, [...at, below]);
    }
  };
  visit(nodeAt(tree, path), path);
  return listed(tree, found, pathText);
}

function listed(
  tree: MetadataTree,
  paths: readonly Path[],
  textOf: (path: Path) => string,
): TreeAnswer {
  const items = paths.map((path) => {
    const node = nodeAt(tree, path);
    return {
      path: pathText(path),
      name: path.at(-1) ?? "",
      children: isBranch(node) ? Object.keys(node).length : 0,
    };
  });
  return {
    json: items,
    text: paths.map((path) => `${printable(textOf(path))}\n`).join(""),
    columns: ["path", "name", "children"],
    rows: items.map(({ path, name, children }) => [path, name, children]),
  };
}

function* leaves(node: unknown, path: Path): Generator<Cell[]> {
  if (isBranch(node)) {
    for (const [name, inner] of Object.entries(node)) {
      yield* leaves(inner, [...path, name]);
    }
    return;
  }
  yield [
    pathText(path),
    Array.isArray(node) ? JSON.stringify(node) : node as Cell,
  ];
}

/** `*` is any text, `?` any character. */
function globOf(pattern: string): RegExp {
  const source = pattern.replace(/[\\^$.|+()[\]{}]/g, "\\$&")
    .replaceAll("*", ".*").replaceAll("?", ".");
  return new RegExp(`^${source}$`, "su");
}

/** A name as a part of a path: what would not come back is escaped. */
function encoded(name: string): string {
  if (/^\.{1,2}$/.test(name)) return name.replaceAll(".", "%2E");
  return name.replace(/[%/\s]/g, encodeURIComponent);
}

function decoded(word: string): string {
  try {
    return decodeURIComponent(word);
  } catch {
    return word;
  }
}
