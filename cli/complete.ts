/**
 * What may come next on a command line: answers the completion scripts of the
 * shells from the table of commands and, for names, from the cluster. A person
 * waits at a prompt that it must never spoil: on any trouble it says nothing,
 * and it never takes longer than a second.
 *
 * The answer is lines: `files` or `words` first; then each word that fits,
 * and after a tab what it is for. With `files` the shell adds paths itself.
 *
 * @module
 */
import { type OpenArgs, parseOpenArgs } from "./argv.ts";
import type { Completion, FlagSpec } from "./command.ts";
import { COMMANDS, FAMILIES, GLOBAL_FLAGS } from "./commands.ts";
import { printOut, sleep } from "./terminal.ts";

const PATIENCE_MS = 1000;

/** One thing to offer. */
interface Offer {
  readonly word: string;
  readonly brief?: string;
}

type Offers = readonly Offer[] | "files";

/** Prints what completes the last of `words`; gives the exit code. */
export async function printCompletions(
  words: readonly string[],
): Promise<number> {
  try {
    const offers = await Promise.race([
      offersFor(words.slice(0, -1), words.at(-1) ?? ""),
      sleep(PATIENCE_MS).then((): Offers => []),
    ]);
    printOut(offers === "files" ? "files\n" : textOf(offers));
  } catch {
    // The prompt stays as it was.
  }
  return 0;
}

function textOf(offers: readonly Offer[]): string {
  // A name that spans lines would be read as several.
  const lines = offers.filter(({ word }) => !/\p{Cc}/u.test(word))
    .map(({ word, brief }) => brief === undefined ? word : `${word}\t${brief}`);
  return ["words", ...lines].join("\n") + "\n";
}

async function offersFor(
  before: readonly string[],
  typed: string,
): Promise<Offers> {
  const line = parseOpenArgs(before);
  if (line.open !== undefined) return await valuesOf(line.open, line, typed);
  if (typed.startsWith("-") && !line.isPastDashes) {
    return await flagsOf(line, typed);
  }
  if (line.command === undefined) return fitting(commandsAfter(line), typed);
  return await argumentsOf(line, typed);
}

/** Commands, or those of the family that was typed. */
function commandsAfter({ route }: OpenArgs): Offer[] {
  if (route.length === 0) {
    const single = COMMANDS.filter(({ path }) => !path.includes(" "))
      .map(({ path, summary }) => ({ word: path, brief: summary }));
    const families = Object.entries(FAMILIES)
      .map(([word, brief]) => ({ word, brief }));
    return [...single, ...families];
  }
  const family = `${route.join(" ")} `;
  return COMMANDS.filter(({ path }) => path.startsWith(family)).map((
    { path, summary },
  ) => ({ word: path.slice(family.length), brief: summary }));
}

async function flagsOf(line: OpenArgs, typed: string): Promise<Offers> {
  const all = [...line.command?.flags ?? [], ...GLOBAL_FLAGS];
  const equals = typed.indexOf("=");
  if (equals >= 0) {
    const flag = all.find(({ name }) => `--${name}` === typed.slice(0, equals));
    if (flag?.value === undefined) return [];
    const head = typed.slice(0, equals + 1);
    const values = await valuesOf(flag, line, typed.slice(equals + 1));
    return values === "files"
      ? values
      : values.map((offer) => ({ ...offer, word: head + offer.word }));
  }
  const given = new Set([
    ...line.flags.map((flag) => flag.slice(2).split("=", 1)[0]!),
    ...Object.keys(line.globals),
  ]);
  // A command's own flag hides the global one of its name.
  const fresh = all.filter(({ name, repeats }, i) =>
    (repeats || !given.has(name)) &&
    all.findIndex((each) => each.name === name) === i
  );
  return fitting(
    fresh.map(({ name, brief }) => ({ word: `--${name}`, brief })),
    typed,
  );
}

async function valuesOf(
  { choices, completes }: FlagSpec,
  line: OpenArgs,
  typed: string,
): Promise<Offers> {
  return await offersOf({ choices, completes, without: [] }, line, typed);
}

async function argumentsOf(line: OpenArgs, typed: string): Promise<Offers> {
  const spec = line.command?.arguments;
  const without = line.positionals;
  if (spec === undefined || without.length >= spec.max) return [];
  const { choices } = spec;
  // A topic that a flag has named stands no more before what else is meant.
  const isNamed = line.flags.some((flag) => flag.startsWith("--topic="));
  const isPastFirst = without.length > 0 || isNamed;
  const completes = isPastFirst && spec.rest !== undefined
    ? spec.rest
    : spec.completes;
  if (completes === "nothing") return [];
  return await offersOf({ choices, completes, without }, line, typed);
}

async function offersOf(
  { choices, completes, without }: {
    readonly choices: readonly string[] | undefined;
    readonly completes: Completion | undefined;
    readonly without: readonly string[];
  },
  line: OpenArgs,
  typed: string,
): Promise<Offers> {
  if (completes === "file") return "files";
  const names = choices ??
    (completes === undefined ? [] : await namesOf(completes, line, typed));
  return fitting(
    names.filter((name) => !without.includes(name)).map((word) => ({ word })),
    typed,
  );
}

/** Names that are there now. */
async function namesOf(
  kind: Exclude<Completion, "file">,
  line: OpenArgs,
  typed: string,
): Promise<string[]> {
  if (kind === "profile") {
    const { readProfiles } = await import("./profiles.ts");
    return Object.keys((await readProfiles()).byName);
  }
  const { gatherSettings } = await import("./settings.ts");
  const { withAdmin } = await import("./cluster.ts");
  const settings = {
    ...await gatherSettings(line.globals),
    timeoutMs: PATIENCE_MS,
  };
  if (kind === "group") {
    const groups = await withAdmin(settings, (admin) => admin.listGroups());
    return groups.map(({ groupId }) => groupId);
  }
  if (kind === "transactional id") {
    const ids = await withAdmin(settings, (admin) => admin.listTransactions());
    return ids.map(({ transactionalId }) => transactionalId);
  }
  const topics = await withAdmin(settings, (admin) => admin.listTopics());
  return topics.filter(({ isInternal }) => !isInternal || typed.startsWith("_"))
    .map(({ name }) => name);
}

function fitting(offers: readonly Offer[], typed: string): Offer[] {
  return offers.filter(({ word }) => word.startsWith(typed));
}
