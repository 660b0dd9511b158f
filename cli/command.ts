/**
 * The shapes of a command: how it is declared in the table and what it is
 * given when it runs. Types and the reading of parsed flags only.
 *
 * @module
 */
import { UsageError } from "./failure.ts";
import type { Settings } from "./settings.ts";

/** What a shell offers for a word. */
export type Completion =
  | "topic"
  | "group"
  | "transactional id"
  | "profile"
  | "file";

/** One flag. Without `value` it is a switch. */
export interface FlagSpec {
  /** Long name without dashes. */
  readonly name: string;
  /** One character, a digit allowed. */
  readonly short?: string;
  /** Placeholder of its value. */
  readonly value?: string;
  /** Whether it may stand more than once. */
  readonly repeats?: boolean;
  /** The only values it takes. */
  readonly choices?: readonly string[];
  /** What completes its value. */
  readonly completes?: Completion;
  /** One line. */
  readonly brief: string;
}

/** What stands after the flags. */
export interface ArgumentSpec {
  /** Placeholder, e.g. `TOPIC`. */
  readonly name: string;
  /** Fewest. */
  readonly min: number;
  /** Most. */
  readonly max: number;
  /** The only values it takes. */
  readonly choices?: readonly string[];
  /** What completes it. */
  readonly completes?: Completion;
  /** What completes those after the first, where that is something else. */
  readonly rest?: "file" | "nothing";
  /** One line. */
  readonly brief: string;
}

/** A command line and what it does. */
export interface Example {
  /** As typed. */
  readonly line: string;
  /** What happens. */
  readonly does: string;
}

/** One row of the table of commands. */
export interface CommandSpec {
  /** Words of the command, e.g. `topic create`. */
  readonly path: string;
  /** One line. */
  readonly summary: string;
  /** The script of Kafka that it stands for. */
  readonly script?: string;
  /** Positional arguments. */
  readonly arguments?: ArgumentSpec;
  /** Its own flags. */
  readonly flags: readonly FlagSpec[];
  /** What flags and examples can't say. */
  readonly more?: string;
  /** At least one. */
  readonly examples: readonly Example[];
  /** Keys of its JSON answer, by `--format json`. */
  readonly json?: string;
  /** Its code, loaded when it runs. */
  readonly load: () => Promise<CommandModule>;
}

/** What a file under `commands/` exports. */
export interface CommandModule {
  /** Runs the command; resolves when it is done, throws when it failed. */
  run(call: Call): Promise<void>;
}

/** What a command is given. */
export interface Call {
  /** Its own flags. */
  readonly flags: Flags;
  /** Positional arguments. */
  readonly args: readonly string[];
  /** What holds for every command. */
  readonly settings: Settings;
}

/** Parsed flags by long name. */
export class Flags {
  readonly #values: Readonly<Record<string, unknown>>;

  constructor(values: Readonly<Record<string, unknown>>) {
    this.#values = values;
  }

  /** Whether a switch is on. */
  has(name: string): boolean {
    return this.#values[name] === true;
  }

  /** A value; `undefined` when not given. */
  text(name: string): string | undefined {
    const value = this.#values[name];
    return typeof value === "string" ? value : undefined;
  }

  /** All values of a flag that repeats. */
  all(name: string): string[] {
    const value = this.#values[name];
    return Array.isArray(value) ? value.map(String) : [];
  }

  /** A value read by `parse`; `undefined` when not given. */
  parsed<T>(name: string, parse: (text: string) => T): T | undefined {
    const text = this.text(name);
    return text === undefined ? undefined : parse(text);
  }

  /** Refuses two flags that contradict each other. */
  refuseBoth(one: string, other: string): void {
    if (this.#values[one] === undefined) return;
    if (this.#values[other] === undefined) return;
    throw new UsageError(`Cannot use --${one} together with --${other}`);
  }
}
