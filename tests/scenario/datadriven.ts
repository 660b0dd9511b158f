/**
 * Scenario text: blocks of one command line, `----`, and what it printed.
 * Owns the format: reading it, running it, and writing it back with the output
 * that came.
 *
 * @module
 */

/** A command line: its words, and its `name=value` arguments. */
export interface Command {
  readonly name: string;
  readonly words: readonly string[];
  readonly args: ReadonlyMap<string, string>;
}

/** Runs the commands of `text` and gives it back with what they printed. */
export async function replayed(
  text: string,
  run: (command: Command) => Promise<string[]>,
): Promise<string> {
  const written: string[] = [];
  let isOutput = false;
  for (const line of text.replace(/\n+$/, "").split("\n")) {
    if (line === "") {
      isOutput = false;
      written.push("");
    } else if (line.startsWith("#")) {
      written.push(line);
    } else if (!isOutput) {
      isOutput = true;
      written.push(line, "----", ...await run(commandOf(line)));
    }
  }
  return written.join("\n") + "\n";
}

function commandOf(line: string): Command {
  const [name = "", ...rest] = line.split(/\s+/);
  const args = new Map<string, string>();
  const words: string[] = [];
  for (const word of rest) {
    const at = word.indexOf("=");
    if (at < 0) words.push(word);
    else args.set(word.slice(0, at), word.slice(at + 1));
  }
  return { name, words, args };
}
