/**
 * `kf metadata shell`: lines from a terminal or a pipe that walk the tree of
 * metadata. A line that fails is told and the next one is read; off a terminal
 * the exit code is 1 then.
 *
 * @module
 */
import type { MetadataTree } from "../../core/metadata.ts";
import type { Call } from "../command.ts";
import { ItemsFailed, sentenceOf } from "../failure.ts";
import {
  cat,
  find,
  isBranch,
  ls,
  nodeAt,
  openMetadata,
  type Path,
  pathText,
  printTree,
  readPath,
} from "../metadata_tree.ts";
import type { Settings } from "../settings.ts";
import {
  BrokenPipe,
  isTerminal,
  openSource,
  printErr,
  printOut,
} from "../terminal.ts";

const HELP = `ls [PATH]            the names in it
cd [PATH]            go there; / when none is given
pwd                  where you are
cat [PATH]           all that is there, as JSON
find NAME [PATH]     paths by their last name; * and ? match any text
help                 this text
exit                 leave
`;
const READ_BYTES = 64 * 1024;

interface Shell {
  readonly tree: MetadataTree;
  readonly settings: Settings;
  at: Path;
}

/** Runs `kf metadata shell`. */
export async function run(call: Call): Promise<void> {
  const { tree } = await openMetadata(call);
  const shell: Shell = { tree, settings: call.settings, at: [] };
  const isTyped = isTerminal.stdin();
  const prompt = () => {
    if (isTyped) printErr(`${pathText(shell.at)}> `);
  };
  let failed = 0;
  prompt();
  for await (const line of linesOfInput()) {
    const words = line.split(/\s+/).filter(Boolean);
    if (words[0] === "exit") return;
    try {
      await obey(shell, words);
    } catch (error) {
      if (error instanceof BrokenPipe) throw error;
      printErr(`kf: ${sentenceOf(error)}\n`);
      failed++;
    }
    prompt();
  }
  if (isTyped) printErr("\n");
  else if (failed > 0) throw new ItemsFailed(`${failed} lines failed`);
}

async function obey(shell: Shell, words: readonly string[]): Promise<void> {
  const [verb, ...args] = words;
  const { tree, settings } = shell;
  const path = (text: string | undefined) => readPath(text ?? ".", shell.at);
  const most = verb === "find" ? 2 : verb === "help" || verb === "pwd" ? 0 : 1;
  if (args.length > most && verb !== undefined) {
    throw new Error(`Cannot run "${words.join(" ")}": ${verb} takes ${most}`);
  }
  switch (verb) {
    case undefined:
      return;
    case "ls":
      return await printTree(ls(tree, path(args[0])), settings);
    case "cat":
      return await printTree(cat(tree, path(args[0])), settings);
    case "find": {
      const [pattern, from] = args;
      if (pattern === undefined) {
        throw new Error("Cannot find: which name?");
      }
      const found = find(tree, { pattern, path: path(from) });
      return await printTree(found, settings);
    }
    case "cd":
      return change(shell, readPath(args[0] ?? "/", shell.at));
    case "pwd": {
      const at = pathText(shell.at);
      const answer = { json: at, columns: ["path"], rows: [[at]] };
      return await printTree({ ...answer, text: `${at}\n` }, settings);
    }
    case "help":
      return printOut(HELP);
    default:
      throw new Error(`Cannot run "${verb}": help names what can be run`);
  }
}

function change(shell: Shell, to: Path): void {
  if (!isBranch(nodeAt(shell.tree, to))) {
    throw new Error(`Cannot go to "${pathText(to)}": nothing is below it`);
  }
  shell.at = to;
}

/** The lines of stdin; a missing final newline still ends one. */
async function* linesOfInput(): AsyncGenerator<string> {
  const source = await openSource("-");
  const chunk = new Uint8Array(READ_BYTES);
  const decoder = new TextDecoder();
  let rest = "";
  for (;;) {
    const got = await source.read(chunk);
    if (got === null) break;
    const lines =
      (rest + decoder.decode(chunk.subarray(0, got), { stream: true }))
        .split("\n");
    rest = lines.pop()!;
    yield* lines;
  }
  if (rest !== "") yield rest;
}
