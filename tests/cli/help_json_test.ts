/**
 * `kf --help-json` against the table of commands: programs are told all that
 * people are told, of every command.
 *
 * @module
 */
import { assert, assertEquals } from "@std/assert";
import { COMMANDS, GLOBAL_FLAGS } from "../../cli/commands.ts";
import { helpText } from "../../cli/help.ts";
import { kf } from "../fixtures.ts";

interface Flag {
  readonly name: string;
  readonly brief: string;
}

interface Told {
  readonly name: string;
  readonly globalFlags: readonly Flag[];
  readonly commands: readonly {
    readonly path: string;
    readonly summary: string;
    readonly script?: string;
    readonly json?: string;
    readonly arguments: { readonly max: number | null } | null;
    readonly flags: readonly Flag[];
    readonly examples: readonly { readonly line: string }[];
  }[];
}

async function told(): Promise<Told> {
  const { code, stdout, stderr } = await kf(["--help-json"]);
  assertEquals([code, stderr], [0, ""]);
  return JSON.parse(stdout);
}

Deno.test("--help-json is the whole table of commands", async () => {
  const { name, globalFlags, commands } = await told();
  assertEquals(name, "kf");
  const asJson = (value: unknown) => JSON.parse(JSON.stringify(value));
  assertEquals(globalFlags, asJson(GLOBAL_FLAGS));
  // JSON writes a number without end as null, as it does a missing argument.
  assertEquals(
    commands,
    asJson(COMMANDS.map((spec) => ({ arguments: null, ...spec }))),
  );
});

Deno.test("--help-json says what --help says, of every command", async () => {
  for (const command of (await told()).commands) {
    const text = helpText(command.path.split(" "), Infinity);
    const parts = [
      command.summary,
      ...command.script === undefined ? [] : [command.script],
      ...command.json === undefined ? [] : [command.json],
      ...command.flags.flatMap(({ name, brief }) => [`--${name}`, brief]),
      ...command.examples.map(({ line }) => line),
    ];
    const missing = parts.filter((part) => !text.includes(part));
    assertEquals(missing, [], command.path);
    assert(command.examples.length > 0, command.path);
  }
});

Deno.test("every command of the table is one that can be loaded", async () => {
  for (const { path, load } of COMMANDS) {
    assertEquals(typeof (await load()).run, "function", path);
  }
});
