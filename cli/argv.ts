/**
 * The pass over the arguments in front of the command framework: it lifts the
 * global flags out, and rewrites every other flag to `--name=value` so that
 * attached values (`-n3`), digits (`-0`) and values that begin with `-`
 * mean the same everywhere. It never runs anything.
 *
 * @module
 */
import type { CommandSpec, FlagSpec } from "./command.ts";
import { COMMANDS, FAMILIES, GLOBAL_FLAGS } from "./commands.ts";
import { UsageError } from "./failure.ts";
import { nearest } from "./nearest.ts";
import { KAFKA_FLAGS } from "./table/flags.ts";

/** Global flags by long name; those that repeat as lists. */
export type GlobalValues = Readonly<Record<string, readonly string[]>>;

/** Arguments in their one form. */
export interface ParsedArgs {
  /** Words of the command as far as they were recognised. */
  readonly route: readonly string[];
  /** The command, when the route is complete. */
  readonly command: CommandSpec | undefined;
  /** Global flags; a switch holds one empty string. */
  readonly globals: GlobalValues;
  /** `--name` and `--name=value`, and words that the framework must judge. */
  readonly flags: readonly string[];
  /** What is left. */
  readonly positionals: readonly string[];
}

class Pass {
  readonly globals: Record<string, string[]> = {};
  readonly route: string[] = [];
  readonly flags: string[] = [];
  readonly positionals: string[] = [];
  command: CommandSpec | undefined;
  /** The flag that lacks its value, when they end in one. */
  open: FlagSpec | undefined;
  /** Whether `--` has been. */
  isPastDashes = false;
  readonly #args: readonly string[];
  readonly #mayBeOpen: boolean;
  #at = 0;

  constructor(
    args: readonly string[],
    options: { readonly mayBeOpen: boolean },
  ) {
    this.#args = args;
    this.#mayBeOpen = options.mayBeOpen;
  }

  run(): this {
    while (this.#at < this.#args.length) {
      const arg = this.#args[this.#at++]!;
      if (arg === "--") {
        this.isPastDashes = true;
        this.positionals.push(...this.#args.slice(this.#at));
        break;
      }
      if (arg.startsWith("--")) this.#long(arg);
      else if (arg.startsWith("-") && arg.length > 1) this.#shorts(arg);
      else this.#word(arg);
    }
    return this;
  }

  /** A word continues the route until a command is complete. */
  #word(word: string): void {
    if (this.command !== undefined || this.#isLost()) {
      this.positionals.push(word);
      return;
    }
    this.route.push(word);
    const path = this.route.join(" ");
    this.command = COMMANDS.find((command) => command.path === path);
  }

  /** Whether the route has left the table, so that the framework must say so. */
  #isLost(): boolean {
    if (this.route.length === 0) return false;
    return this.route.length > 1 || !(Object.hasOwn(FAMILIES, this.route[0]!));
  }

  #long(arg: string): void {
    const equals = arg.indexOf("=");
    const name = equals < 0 ? arg.slice(2) : arg.slice(2, equals);
    const inline = equals < 0 ? undefined : arg.slice(equals + 1);
    const spec = this.#find((flag) => flag.name === name);
    if (spec === undefined) {
      // What is no command is told before its flags.
      const isJudged = this.command !== undefined || !this.#isLost();
      if (isJudged && !this.#mayBeOpen) {
        throw this.#unknown(`--${name}`, name);
      }
      this.flags.push(arg);
      return;
    }
    if (spec.value === undefined && inline !== undefined) {
      throw new UsageError(`Cannot give a value to --${name}: it is a switch`);
    }
    this.#take(spec, inline);
  }

  #shorts(arg: string): void {
    for (let i = 1; i < arg.length; i++) {
      const spec = this.#find((flag) => flag.short === arg[i]);
      if (spec === undefined) {
        const flag = arg.length > 2 ? `-${arg[i]}" in "${arg}` : arg;
        throw this.#unknown(flag, arg.length > 2 ? arg.slice(1) : arg);
      }
      const rest = arg.slice(i + 1);
      if (spec.value !== undefined) {
        this.#take(spec, rest === "" ? undefined : rest);
        return;
      }
      this.#take(spec, undefined);
    }
  }

  #take(spec: FlagSpec, inline: string | undefined): void {
    let value = inline ?? "";
    if (spec.value !== undefined && inline === undefined) {
      if (this.#at >= this.#args.length && this.#mayBeOpen) {
        this.open = spec;
        return;
      }
      if (this.#at >= this.#args.length) {
        throw new UsageError(
          `Cannot use --${spec.name} without a value: ${spec.value}`,
        );
      }
      value = this.#args[this.#at++]!;
    }
    if (!this.#mayBeOpen) checkChoice(spec, value);
    if (GLOBAL_FLAGS.includes(spec)) {
      const values = this.globals[spec.name] ??= [];
      if (!spec.repeats) values.length = 0;
      values.push(value);
      return;
    }
    const flag = `--${spec.name}`;
    // The last one holds: an alias may have set it before.
    const before = spec.repeats
      ? -1
      : this.flags.findIndex((given) =>
        given === flag || given.startsWith(`${flag}=`)
      );
    if (before >= 0) this.flags.splice(before, 1);
    this.flags.push(spec.value === undefined ? flag : `${flag}=${value}`);
  }

  /** The command's own flags win over the global ones. */
  #find(fits: (flag: FlagSpec) => boolean): FlagSpec | undefined {
    return this.command?.flags.find(fits) ?? GLOBAL_FLAGS.find(fits);
  }

  /** A flag that there is not; `name` is what it may be a slip of. */
  #unknown(flag: string, name: string): UsageError {
    const names = [...this.command?.flags ?? [], ...GLOBAL_FLAGS]
      .map((spec) => spec.name);
    const habit = KAFKA_FLAGS[nearest(name, Object.keys(KAFKA_FLAGS)) ?? ""];
    const verb = `${this.route.join(" ")} ${name}`;
    const meant = this.command === undefined && isCommand(verb)
      ? `kf ${verb}`
      : dashed(nearest(name, names)) ??
        (names.includes(habit ?? "") ? dashed(habit) : undefined);
    const why = meant === undefined ? "" : `, did you mean ${meant}?`;
    return new UsageError(
      `Unknown flag "${flag}"${why || this.#seeHelp(name)}`,
    );
  }

  #seeHelp(name: string): string {
    if (this.command !== undefined) {
      return `: see kf ${this.command.path} --help`;
    }
    const path = this.route.length === 0 ? "" : ` ${this.route.join(" ")}`;
    return COMMANDS.some(({ flags }) =>
        flags.some((flag) => flag.name === name || `-${flag.short}` === name)
      )
      ? `: flags of a command stand after its name; see kf${path} --help`
      : `: see kf${path} --help`;
  }
}

function checkChoice({ name, choices }: FlagSpec, value: string): void {
  if (choices === undefined || choices.includes(value)) return;
  // One letter is like any other.
  const meant = value.length < 2 ? undefined : nearest(value, choices);
  const hint = meant === undefined ? "" : `; did you mean ${meant}?`;
  throw new UsageError(
    `Cannot use "${value}" for --${name}: one of ${choices.join(", ")}${hint}`,
  );
}

function isCommand(path: string): boolean {
  return COMMANDS.some((command) => command.path === path);
}

function dashed(name: string | undefined): string | undefined {
  return name === undefined ? undefined : `--${name}`;
}

/** Brings arguments into their one form; throws `UsageError`. */
export function parseArgs(args: readonly string[]): ParsedArgs {
  return new Pass(args, { mayBeOpen: false }).run();
}

/** Arguments of a line that goes on. */
export interface OpenArgs extends ParsedArgs {
  /** The flag whose value comes next. */
  readonly open: FlagSpec | undefined;
  /** Whether only positional arguments can come. */
  readonly isPastDashes: boolean;
}

/** Reads the words before the one that is being typed. */
export function parseOpenArgs(args: readonly string[]): OpenArgs {
  return new Pass(args, { mayBeOpen: true }).run();
}
