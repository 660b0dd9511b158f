/**
 * The one file that knows the command framework: it turns the table of
 * commands into Stricli's routes and lets Stricli check flags, values and
 * counts and suggest what was meant. Moving to another framework is a
 * change of this file alone.
 *
 * @module
 */
import {
  buildApplication,
  buildCommand,
  buildRouteMap,
  type CommandContext,
  run,
  text_en,
} from "@stricli/core";
import type { ParsedArgs } from "./argv.ts";
import { type CommandSpec, Flags, type FlagSpec } from "./command.ts";
import { COMMANDS, FAMILIES } from "./commands.ts";
import { UsageError } from "./failure.ts";
import type { Settings } from "./settings.ts";

type Values = Record<string, unknown>;
type Target = ReturnType<typeof buildCommand<Values, string[], CommandContext>>;
type Invoke = (
  spec: CommandSpec,
  given: { flags: Flags; args: readonly string[] },
) => Promise<void>;

/** One slip: what is farther off was not meant. */
const NEAR = {
  threshold: 3,
  weights: { insertion: 1, deletion: 3, substitution: 2, transposition: 0 },
};

/** Checks the arguments and runs the command; throws what the command throws. */
export async function dispatch(
  parsed: ParsedArgs,
  settings: Settings,
): Promise<void> {
  let thrown: unknown;
  let hasThrown = false;
  const said: string[] = [];
  const app = buildApplication(
    routes(async (spec, given) => {
      try {
        const module = await spec.load();
        await module.run({ ...given, settings });
      } catch (error) {
        hasThrown = true;
        thrown = error;
      }
    }),
    {
      name: "kf",
      scanner: {
        caseStyle: "original",
        allowArgumentEscapeSequence: true,
        distanceOptions: NEAR,
      },
      documentation: { disableAnsiColor: true },
      localization: {
        text: {
          ...text_en,
          noCommandRegisteredForInput({ input, corrections }) {
            const [head] = parsed.route;
            const family = Object.hasOwn(FAMILIES, head!) ? ` ${head}` : "";
            const why = corrections.length === 0
              ? `: see kf${family} --help`
              : `, did you mean ${
                corrections.map((name) => name.replaceAll("`", "")).join(" or ")
              }?`;
            return `Unknown command "${input}"${why}`;
          },
        },
      },
    },
  );
  const inputs = [...parsed.route, ...parsed.flags.map(onOneLine)];
  if (parsed.positionals.length > 0) inputs.push("--", ...parsed.positionals);
  const sink = { write: (text: string) => void said.push(text) };
  const host: {
    stdout: typeof sink;
    stderr: typeof sink;
    env: Record<string, string>;
    exitCode?: number | string | null;
  } = { stdout: sink, stderr: sink, env: {} };
  await run(app, inputs, { process: host });
  if (hasThrown) throw thrown;
  if (host.exitCode) throw new UsageError(said.join("").trim());
}

function routes(invoke: Invoke) {
  const top: Record<string, Target | ReturnType<typeof buildRouteMap>> = {};
  const families: Record<string, Record<string, Target>> = {};
  for (const spec of COMMANDS) {
    const [head, tail] = spec.path.split(" ") as [string, string | undefined];
    if (tail === undefined) top[head] = target(spec, invoke);
    else (families[head] ??= {})[tail] = target(spec, invoke);
  }
  for (const [head, inner] of Object.entries(families)) {
    top[head] = buildRouteMap<string, CommandContext>({
      routes: inner,
      docs: { brief: FAMILIES[head] ?? head },
    });
  }
  return buildRouteMap<string, CommandContext>({
    routes: top,
    docs: { brief: "kf" },
  });
}

function target(spec: CommandSpec, invoke: Invoke): Target {
  const flags: Record<string, unknown> = {};
  for (const flag of spec.flags) flags[flag.name] = parameter(flag);
  const positional = {
    kind: "array",
    minimum: spec.arguments?.min ?? 0,
    maximum: Math.min(spec.arguments?.max ?? 0, Number.MAX_SAFE_INTEGER),
    parameter: {
      brief: spec.arguments?.brief ?? "",
      placeholder: spec.arguments?.name ?? "",
      parse: (text: string) => text,
    },
  };
  const parameters = { flags, positional };
  return buildCommand<Values, string[], CommandContext>({
    func: (values, ...args) => invoke(spec, { flags: new Flags(values), args }),
    // The table is data: its shapes are known to the scanner only at run time.
    parameters: parameters as unknown as Parameters<
      typeof buildCommand<Values, string[], CommandContext>
    >[0]["parameters"],
    docs: { brief: spec.summary },
  });
}

function parameter(flag: FlagSpec): unknown {
  const common = { brief: flag.brief, optional: true };
  if (flag.value === undefined) {
    return { ...common, kind: "boolean", withNegated: false };
  }
  const parse = asGiven;
  return flag.repeats
    ? { ...common, kind: "parsed", parse, variadic: true }
    : { ...common, kind: "parsed", parse };
}

const UNSEEN = ["\n", "\r", "\u2028", "\u2029", ""];

/** The framework takes a flag whose value spans lines, or is empty, for an argument. */
function onOneLine(flag: string): string {
  return flag.replace(
    /[\n\r\u2028\u2029]|(?<=^--[^=]+=)$/g,
    (unseen) => `\0${UNSEEN.indexOf(unseen)}`,
  );
}

/** The value as it was: a NUL byte can't stand in an argument. */
function asGiven(text: string): string {
  return text.replace(/\0([0-4])/g, (_all, i) => UNSEEN[Number(i)]!);
}
