/**
 * Completion where people meet it: lines typed with Tab into interactive
 * shells on a terminal of their own. Without PowerShell its grammar stands in.
 *
 * @module
 */
import { assert, assertEquals } from "@std/assert";
import { Language, Parser } from "web-tree-sitter";
import {
  type BrokerProcess,
  hasProgram,
  kf,
  kfCommand,
  run,
  startBrokerProcess,
  temporaryFolder,
} from "../fixtures.ts";

/** What is typed before Tab, and the line after it. */
const LINES: readonly (readonly [typed: string, completed: string])[] = [
  ["kf cons", "kf consume "],
  ["kf topic des", "kf topic describe "],
  ["kf consume w", "kf consume web-a "],
  ["kf pipe --from w", "kf pipe --from web-a "],
  ["kf txn describe my", "kf txn describe my-load "],
  ["kf consume --format=j", "kf consume --format=json "],
  ['kf consume "w', 'kf consume "web-a" '],
  ["kf consume 'w", "kf consume 'web-a' "],
  ["kf group describe my", "kf group describe my\\ team "],
  ['kf group describe "my t', 'kf group describe "my team" '],
  ["kf group lag 'my team' ", "kf group lag 'my team' "],
  ['kf consume "web-a" o', 'kf consume "web-a" other '],
];

const HAS_TERMINAL = hasProgram("script", "--version");

/** A broker with two topics and a group, and a `kf` on the path. */
async function prepare(folder: string, broker: BrokerProcess) {
  const cluster = ["-b", broker.address];
  await kf(["topic", "create", "web-a", "other", ...cluster]);
  await kf(["produce", "other", "--txn", "my-load", ...cluster], { stdin: "" });
  const seek = ["group", "seek", "my team", "-t", "web-a", "--to", "0", "-y"];
  await kf([...seek, ...cluster]);
  const words = kfCommand().map((word) => `'${word}'`).join(" ");
  Deno.writeTextFileSync(`${folder}/kf`, `#!/bin/sh\nexec ${words} "$@"\n`, {
    mode: 0o755,
  });
  return {
    PATH: `${folder}:${Deno.env.get("PATH")}`,
    KF_BROKERS: broker.address,
    TERM: "xterm",
  };
}

/** Types each line, Tab, and a key that takes down what the line is then. */
async function typed(
  shell: string,
  setup: (file: string) => string,
): Promise<void> {
  using folder = temporaryFolder();
  await using broker = await startBrokerProcess({ data: `${folder.path}/d` });
  const env = await prepare(folder.path, broker);
  const file = `${folder.path}/lines`;
  const keys = LINES.map(([line]) => `${line}\t\x18`).join("");
  const finished = await run(["script", "-qec", shell, "/dev/null"], {
    // Without the blank, ^X and e would be a key of its own.
    stdin: `${setup(file)}\n${keys} exit\n`,
    env,
    cwd: folder.path,
  });
  const lines = Deno.readTextFileSync(file).split("\n").slice(0, -1);
  assertEquals(lines, LINES.map(([_, line]) => line), finished.stdout);
}

Deno.test({
  name: "Tab in bash completes names, also within quotes",
  ignore: !HAS_TERMINAL,
  fn: () =>
    typed("bash --norc -i", (file) =>
      [
        "source <(kf completion bash)",
        `take() { printf '%s\\n' "$READLINE_LINE" >> ${file}; READLINE_LINE= READLINE_POINT=0; }`,
        `bind -x '"\\C-x": take'`,
      ].join("; ")),
});

Deno.test({
  name: "Tab in zsh completes names, also within quotes",
  ignore: !HAS_TERMINAL || !hasProgram("zsh", "--version"),
  fn: () =>
    typed("zsh -f -i", (file) =>
      [
        "autoload -Uz compinit; compinit -u -D",
        "source <(kf completion zsh)",
        `take() { print -r -- "$BUFFER" >> ${file}; BUFFER= }`,
        "zle -N take",
        "bindkey '^X' take",
      ].join("; ")),
});

Deno.test("the script for PowerShell is PowerShell, wherever that is to be had", async () => {
  // Only what the program has loaded is known by its place on the disk.
  await import("tree-sitter-powershell/package.json", {
    with: { type: "json" },
  });
  const wasm = new URL(
    "tree-sitter-powershell.wasm",
    import.meta.resolve("tree-sitter-powershell/package.json"),
  );
  await Parser.init();
  const parser = new Parser();
  parser.setLanguage(await Language.load(Deno.readFileSync(wasm)));
  const wrong = (script: string) => parser.parse(script)!.rootNode.hasError;
  const { code, stdout } = await kf(["completion", "powershell"]);
  assertEquals([code, wrong(stdout)], [0, false]);
  for (const sign of ["{", "(", "'"]) {
    const at = stdout.lastIndexOf(sign);
    assert(
      wrong(stdout.slice(0, at) + stdout.slice(at + 1)),
      `without ${sign}`,
    );
  }
});

Deno.test({
  name: "PowerShell is told the same words",
  // No registry that CI reaches has one.
  ignore: !hasProgram("pwsh", "-Version"),
  async fn() {
    using folder = temporaryFolder();
    await using broker = await startBrokerProcess({ data: `${folder.path}/d` });
    const env = await prepare(folder.path, broker);
    const cases = [
      ["kf cons", "consume"],
      ["kf consume w", "web-a"],
      ["kf consume ", "other web-a"],
      ["kf consume --format=j", "--format=json"],
      ["kf group describe my", "'my team'"],
    ] as const;
    const asked = cases.map(([line]) =>
      `(TabExpansion2 '${line}' ${line.length}).CompletionMatches.CompletionText -join ' '`
    );
    const setup = "kf completion powershell | Out-String | Invoke-Expression";
    const script = [setup, ...asked].join("\n");
    const finished = await run(["pwsh", "-NoProfile", "-Command", script], {
      env: { ...env, NO_COLOR: "1" },
      cwd: folder.path,
    });
    assertEquals([finished.code, finished.stderr], [0, ""]);
    assertEquals(
      finished.stdout.trimEnd().split(/\r?\n/),
      cases.map(([_, wanted]) => wanted),
    );
  },
});
