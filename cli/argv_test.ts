/**
 * How arguments are brought into their one form.
 *
 * @module
 */
import { assertEquals, assertThrows } from "@std/assert";
import fc from "fast-check";
import { parseArgs } from "./argv.ts";
import { COMMANDS, GLOBAL_FLAGS } from "./commands.ts";
import { UsageError } from "./failure.ts";

Deno.test("parseArgs() takes global flags before and after the command", () => {
  const before = parseArgs(["-b", "h:1", "topic", "list"]);
  const after = parseArgs(["topic", "list", "-b", "h:1"]);
  assertEquals(before.globals, { brokers: ["h:1"] });
  assertEquals(after.globals, before.globals);
  assertEquals(before.command?.path, "topic list");
  assertEquals(after.command?.path, "topic list");
});

Deno.test("parseArgs() splits attached values and joined switches", () => {
  const { flags, positionals } = parseArgs(
    ["consume", "-n3", "-p0", "-eJ", "t"],
  );
  assertEquals(flags, [
    "--limit=3",
    "--partitions=0",
    "--exit-at-end",
    "--json",
  ]);
  assertEquals(positionals, ["t"]);
});

Deno.test("parseArgs() lets the last of several hold, where not all count", () => {
  const line = "consume t -n1 -e --limit=2 -e --where a --where b -n 3";
  assertEquals(parseArgs(line.split(" ")).flags, [
    "--exit-at-end",
    "--where=a",
    "--where=b",
    "--limit=3",
  ]);
  const globals = parseArgs("-b a:1 topic list -b b:1".split(" ")).globals;
  assertEquals(globals, { brokers: ["b:1"] });
});

Deno.test("parseArgs() takes values that begin with a dash", () => {
  assertEquals(parseArgs(["consume", "t", "-o", "-5"]).flags, ["--offset=-5"]);
  assertEquals(parseArgs(["consume", "-o-5"]).flags, ["--offset=-5"]);
  assertEquals(parseArgs(["consume", "--offset", "-5"]).flags, [
    "--offset=-5",
  ]);
});

Deno.test("parseArgs() takes an empty value, and says which ones there are where it is none", () => {
  assertEquals(parseArgs(["consume", "t", "--offset", ""]).flags, [
    "--offset=",
  ]);
  const wrong = (...values: string[]) =>
    assertThrows(
      () => parseArgs(["produce", "t", "--compression", ...values]),
      UsageError,
    ).message;
  const choices = "none, gzip, snappy, lz4, zstd";
  assertEquals(
    wrong(""),
    `Cannot use "" for --compression: one of ${choices}`,
  );
  assertEquals(
    wrong("gzp"),
    `Cannot use "gzp" for --compression: one of ${choices}; did you mean gzip?`,
  );
});

Deno.test("parseArgs() reads -0 as a flag and - as a word", () => {
  const parsed = parseArgs(["produce", "-0", "t", "-"]);
  assertEquals(parsed.flags, ["--null"]);
  assertEquals(parsed.positionals, ["t", "-"]);
});

Deno.test("parseArgs() takes everything after -- as words", () => {
  const parsed = parseArgs(["produce", "t", "--", "-n3", "--help"]);
  assertEquals(parsed.positionals, ["t", "-n3", "--help"]);
  assertEquals(parsed.globals, {});
});

Deno.test("parseArgs() refuses what no flag is", () => {
  const wrong: string[][] = [
    ["consume", "-W"],
    ["consume", "-n"],
    ["consume", "--json=x"],
    ["--color", "x", "version"],
  ];
  for (const args of wrong) assertThrows(() => parseArgs(args), UsageError);
});

Deno.test("parseArgs() either reads any arguments or says what is wrong", () => {
  const words = [
    "consume",
    "topic",
    "list",
    "-b",
    "-n3",
    "--",
    "-",
    "-0",
    "--x",
  ];
  const arg = fc.oneof(fc.constantFrom(...words), fc.string());
  fc.assert(fc.property(fc.array(arg), (args) => {
    try {
      parseArgs(args);
    } catch (error) {
      if (!(error instanceof UsageError)) throw error;
    }
  }));
});

Deno.test("the table gives no flag twice and explains everything", () => {
  for (const command of COMMANDS) {
    const all = [...command.flags, ...GLOBAL_FLAGS];
    const shorts = all.flatMap(({ short }) => short === undefined ? [] : short);
    const names = all.map(({ name }) => name);
    assertEquals(new Set(names).size, names.length, command.path);
    assertEquals(new Set(shorts).size, shorts.length, command.path);
    assertEquals(command.examples.length > 0, true, command.path);
  }
});
