/**
 * The `kf` command: from arguments to an exit code. It prints what went wrong
 * and nothing else; the work is done by the commands.
 *
 * @module
 */
import { parseArgs, type ParsedArgs } from "./argv.ts";
import { FAMILIES } from "./commands.ts";
import { adviceOf, exitCodeOf } from "./failure.ts";
import { gatherSettings } from "./settings.ts";
import {
  args,
  columns,
  exit,
  isTerminal,
  printErr,
  printOut,
} from "./terminal.ts";

async function main(): Promise<number> {
  let isVerbose = false;
  // Asked by the shells' scripts only, with words that need not be whole.
  if (args[0] === "__complete" && args[1] === "--") {
    const { printCompletions } = await import("./complete.ts");
    return await printCompletions(args.slice(2));
  }
  try {
    const parsed = parseArgs(args);
    isVerbose = "verbose" in parsed.globals;
    if ("help-json" in parsed.globals) {
      const { helpJson } = await import("./help.ts");
      printOut(helpJson() + "\n");
      return 0;
    }
    if ("version" in parsed.globals) {
      return await start({ ...parsed, route: ["version"], positionals: [] });
    }
    const isBare = parsed.command === undefined && parsed.flags.length === 0;
    if ("help" in parsed.globals || (isBare && isIncomplete(parsed.route))) {
      return await printHelp(parsed.route, "help" in parsed.globals);
    }
    return await start(parsed);
  } catch (error) {
    const code = exitCodeOf(error);
    const isSaid = error instanceof Error && error.name === "ItemsFailed";
    if (code !== 0 && !isSaid) report(error, isVerbose);
    return code;
  }
}

async function start(parsed: ParsedArgs): Promise<number> {
  const settings = await gatherSettings(parsed.globals, {
    // A profile that can't be used must not bar the way to mend it.
    withProfile: parsed.route[0] !== "profile",
  });
  const { dispatch } = await import("./stricli.ts");
  await dispatch(parsed, settings);
  return 0;
}

/** A family alone, or nothing at all, is a question. */
function isIncomplete(route: readonly string[]): boolean {
  return route.length === 0 ||
    (route.length === 1 && Object.hasOwn(FAMILIES, route[0]!));
}

async function printHelp(
  route: readonly string[],
  isAsked: boolean,
): Promise<number> {
  const { helpText } = await import("./help.ts");
  if (isAsked) printOut(helpText(route, isTerminal.stdout() ? columns() : 80));
  else printErr(helpText(route, isTerminal.stderr() ? columns() : 80));
  return isAsked ? 0 : 2;
}

function report(error: unknown, isVerbose: boolean): void {
  printErr(`kf: ${adviceOf(error)}\n`);
  if (!isVerbose || !(error instanceof Error)) return;
  for (let at: unknown = error; at instanceof Error; at = at.cause) {
    printErr(`${at.stack ?? at}\n`);
  }
}

exit(await main());
