/**
 * The rules of the design, held against the code: who imports whom, what may
 * name the outside world, lengths, headers, dead files and exports, names of
 * tests. It must never be made to pass by an exception without a reason.
 *
 * @module
 */
import { assertEquals } from "@std/assert";
import seams from "./lint_seams.ts";

const ROOT = new URL("../", import.meta.url).pathname;
const FILE_LINES_MAX = 800;
const ENTRIES = [
  "mod.ts",
  "net/client.ts",
  "net/broker.ts",
  "core/log.ts",
  "core/metadata.ts",
  "core/repair.ts",
];
const SEAM_FILES = ["core/env/deno_env.ts", "net/tcp/deno_tcp.ts"];

/** Files that run by themselves, or that only tests import, by design. */
const ROOTS = [
  ...ENTRIES,
  "cli/main.ts",
  "cli/demo.ts",
  "net/tcp/memory_tcp.ts",
];

function* walk(folder: string): Generator<string> {
  for (const entry of Deno.readDirSync(ROOT + folder)) {
    const path = folder === "" ? entry.name : `${folder}/${entry.name}`;
    if (entry.isDirectory) yield* walk(path);
    else if (path.endsWith(".ts")) yield path;
  }
}

const FILES = ["core", "net", "cli", "tests", "bench"]
  .flatMap((folder) => [...walk(folder)]).concat("mod.ts").sort();
const TEXTS = new Map(
  FILES.map((path) => [path, Deno.readTextFileSync(ROOT + path)]),
);
const PRODUCT = FILES.filter((path) =>
  /^(core|net|cli)\/|^mod\.ts$/.test(path) &&
  !/(_test|_build|_fixture)\.ts$/.test(path)
);

interface Edge {
  readonly from: string;
  readonly to: string;
  /** Whether nothing of it is loaded with the file. */
  readonly isLazy: boolean;
}

interface InfoDependency {
  readonly specifier: string;
  readonly isDynamic?: boolean;
  readonly code?: { readonly specifier?: string };
  readonly type?: { readonly specifier?: string };
}

/** Every direct import of the product, from Deno's own module graph. */
function readEdges(): Edge[] {
  const entry = Deno.makeTempFileSync({ suffix: ".ts" });
  try {
    const imports = FILES.map((path) => `import "file://${ROOT}${path}";\n`);
    Deno.writeTextFileSync(entry, imports.join(""));
    const { stdout, success } = new Deno.Command(Deno.execPath(), {
      args: ["info", "--json", "--config", ROOT + "deno.json", entry],
      cwd: ROOT,
      stderr: "null",
    }).outputSync();
    if (!success) throw new Error("deno info failed");
    const { modules } = JSON.parse(new TextDecoder().decode(stdout)) as {
      modules: { specifier: string; dependencies?: InfoDependency[] }[];
    };
    return modules.flatMap(({ specifier, dependencies }) =>
      (dependencies ?? []).map((dependency) => ({
        from: local(specifier),
        to: local(
          dependency.code?.specifier ?? dependency.type?.specifier ??
            dependency.specifier,
        ),
        isLazy: dependency.isDynamic === true || isTypeOnly(
          local(specifier),
          dependency.specifier,
        ),
      }))
    ).filter(({ from }) => PRODUCT.includes(from));
  } finally {
    Deno.removeSync(entry);
  }
}

function local(specifier: string): string {
  const root = `file://${ROOT}`;
  return specifier.startsWith(root) ? specifier.slice(root.length) : specifier;
}

/** Whether every static import of `specifier` in `path` is of types. */
function isTypeOnly(path: string, specifier: string): boolean {
  const text = TEXTS.get(path) ?? "";
  const pattern = /^(import|export)\s+(type\s)?[^;]*?from\s+"([^"]+)"/gm;
  const found = [...text.matchAll(pattern)].filter((m) => m[3] === specifier);
  return found.length > 0 && found.every((match) => match[2] !== undefined);
}

const EDGES = readEdges();

const BASE =
  /^core\/((bytes|env|schema|config)\/|(errors|ids|limits|invariant)\.ts$)/;

/** What each folder may import, besides itself and core's base. */
const MAY: Readonly<Record<string, readonly string[]>> = {
  "core/bytes": [],
  "core/env": [],
  "core/schema": [],
  "core/config": [],
  "core/record": [],
  "core/log": ["core/record"],
  "core/partition": ["core/record", "core/log"],
  "core/raft": ["core/record"],
  "core/coordinator": ["core/record"],
  "core/assign": [],
  "core/security": [],
  "core/expression": [],
  "core/metadata": [
    "core/coordinator",
    "core/record",
    "core/assign",
    "core/security",
  ],
  "core/group": [
    "core/coordinator",
    "core/record",
    "core/assign",
    "core/security",
    "core/metadata",
    "core/expression",
  ],
  "core/txn": ["core/coordinator", "core/record", "core/expression"],
  "core/client": ["core/record", "core/assign"],
  "net/wire": [],
  "net/tcp": [],
  "net/http": ["net/tcp"],
  "net/security": ["core/security"],
  "net/link": ["net/wire", "net/tcp", "net/security"],
  // The record type that consumers hand out is core/record's own.
  "net/client": ["net/link", "net/wire", "core/client", "core/record"],
  "net/raft": ["net/link", "net/wire", "core/raft"],
  "net/metadata": ["net/link", "net/wire", "core/metadata"],
  "net/replication": ["net/link", "net/wire", "core/partition"],
  "net/transaction": ["net/link", "net/wire"],
  "net/server": [
    "core/assign",
    "core/coordinator",
    "core/group",
    "core/log",
    "core/metadata",
    "core/partition",
    "core/raft",
    "core/record",
    "core/security",
    "core/txn",
    "net/http",
    "net/link",
    "net/metadata",
    "net/raft",
    "net/replication",
    "net/transaction",
    "net/security",
    "net/tcp",
    "net/wire",
  ],
};

const NPM: Readonly<Record<string, RegExp>> = {
  "npm:/@stricli/core": /^cli\/stricli\.ts$/,
  "npm:/cli-table3": /^cli\/grid\.ts$/,
  "npm:/deno-std": /^cli\/yaml\.ts$/,
  "npm:/snappyjs": /^core\/record\/compression\.ts$/,
};

/** Who may say which version this is. */
const READS_VERSION = ["net/link/link.ts", "cli/commands/version.ts"];

function folderOf(path: string): string {
  return path.split("/").slice(0, 2).join("/");
}

function isAllowed({ from, to, isLazy }: Edge): boolean {
  if (to.startsWith("node:")) {
    if (from === "net/tcp/deno_tcp.ts") return to === "node:dns/promises";
    return from === "core/record/compression.ts" &&
      (to === "node:zlib" || to === "node:module");
  }
  if (to === "deno.json") return READS_VERSION.includes(from);
  if (to.startsWith("npm:")) {
    const name = Object.keys(NPM).find((prefix) =>
      to.replace(/^npm:\/?/, "npm:/").startsWith(prefix)
    );
    return name !== undefined && NPM[name]!.test(from);
  }
  if (ENTRIES.includes(from)) return !to.startsWith("cli/");
  if (SEAM_FILES.includes(to)) return false;
  if (from.startsWith("cli/")) {
    if (to.startsWith("cli/")) return true;
    return ENTRIES.includes(to) && isLazy;
  }
  const home = folderOf(from);
  if (folderOf(to) === home) return true;
  if (BASE.test(from) && !from.slice(5).includes("/")) return BASE.test(to);
  if (BASE.test(to)) return true;
  // The network seam's interface is for everyone in net, like core/env.
  if (home.startsWith("net/") && to === "net/tcp/transport.ts") return true;
  return (MAY[home] ?? []).includes(folderOf(to));
}

Deno.test("imports go along the layers of the design only", () => {
  const wrong = EDGES.filter((edge) => !isAllowed(edge))
    .map(({ from, to, isLazy }) =>
      `${from} → ${to}${isLazy ? "" : " (loaded with it)"}`
    );
  assertEquals(wrong, []);
});

Deno.test("nothing outside the seams names the outside world, and no function is too long", () => {
  const wrong = FILES.flatMap((path) =>
    Deno.lint.runPlugin(seams, ROOT + path, TEXTS.get(path)!).map((found) => {
      const line = TEXTS.get(path)!.slice(0, found.range[0]).split("\n").length;
      return `${path}:${line} ${found.message}`;
    })
  );
  assertEquals(wrong, []);
});

Deno.test("no file is longer than 800 lines", () => {
  const wrong = [...TEXTS].map(([path, text]) =>
    [path, text.split("\n").length - 1] as const
  ).filter(([, lines]) => lines > FILE_LINES_MAX);
  assertEquals(wrong, []);
});

Deno.test("every file opens with a paragraph that says what it owns", () => {
  const header = /^\/\*\*\n \* \S[^]*?\n \* @module\n \*\/\n/;
  const wrong = [...TEXTS].filter(([, text]) => !header.test(text))
    .map(([path]) => path);
  assertEquals(wrong, []);
});

Deno.test("no product file is dead", () => {
  const imported = new Set(EDGES.map(({ to }) => to));
  const wrong = PRODUCT.filter((path) =>
    !imported.has(path) && !ROOTS.includes(path)
  );
  assertEquals(wrong, []);
});

interface Export {
  readonly name: string;
  readonly isType: boolean;
}

function exportsOf(text: string): Export[] {
  const declared =
    /^export (?:declare |abstract |async )*(function\*?|class|const|let|interface|type|enum) (\w+)/gm;
  return [...text.matchAll(declared)].map((match) => ({
    name: match[2]!,
    isType: match[1] === "interface" || match[1] === "type",
  }));
}

/** Whether a type stands in its own file's other declarations, too. */
function isPartOfItsFile(text: string, name: string): boolean {
  return [...text.matchAll(new RegExp(`\\b${name}\\b`, "g"))].length > 1;
}

Deno.test("no export is dead", () => {
  const words = new Map(
    [...TEXTS].map(([path, text]) =>
      [path, new Set(text.match(/[A-Za-z_$][\w$]*/g))] as const
    ),
  );
  const isUsed = (path: string, { name, isType }: Export) => {
    if ([...words].some(([other, set]) => other !== path && set.has(name))) {
      return true;
    }
    if (isType && isPartOfItsFile(TEXTS.get(path)!, name)) return true;
    // Every message file names its request and its response.
    if (isType && /^net\/wire\/\d\d_/.test(path)) return true;
    // The table of commands calls `run` through the module's type.
    return path.startsWith("cli/commands/") && name === "run";
  };
  const wrong = FILES.filter((path) => !ENTRIES.includes(path)).flatMap(
    (path) =>
      exportsOf(TEXTS.get(path)!)
        .filter((found) => !isUsed(path, found))
        .map(({ name }) => `${path}: ${name}`),
  );
  assertEquals(wrong, []);
});

Deno.test("tests are named by behaviour, once, and none is left out", () => {
  const wrong: string[] = [];
  for (const [path, text] of TEXTS) {
    if (!path.endsWith("_test.ts") || path === "tests/tidy_test.ts") continue;
    const names = [...text.matchAll(/Deno\.test\(\s*(["'`])(.+?)\1,/g)]
      .map((match) => match[2]!);
    const isDead = !/Deno\.test\(/.test(text);
    if (isDead) wrong.push(`${path}: holds no test`);
    if (/Deno\.test\.(only|ignore)/.test(text)) {
      wrong.push(`${path}: only/ignore`);
    }
    for (const [i, name] of names.entries()) {
      if (names.indexOf(name) !== i) wrong.push(`${path}: twice "${name}"`);
      if (name.split(/\s+/).length < 2 || /issue|bug/i.test(name)) {
        wrong.push(`${path}: "${name}" says no behaviour`);
      }
    }
  }
  assertEquals(wrong, []);
});

Deno.test("the rules see what they forbid", () => {
  const source = `const { now } = Date;
new Date();
const { random } = Math;
globalThis.Deno;
crypto.randomUUID();
import * as fs from "node:fs";
AbortSignal.timeout(1);
const timers = { setTimeout };
interface Fine { Date: number; console(): void }
`;
  const lines = Deno.lint.runPlugin(seams, "/core/x.ts", source).map((found) =>
    source.slice(0, found.range[0]).split("\n").length
  );
  assertEquals([...new Set(lines)].sort(), [1, 2, 3, 4, 5, 6, 7, 8]);
  const edge = (from: string, to: string) =>
    isAllowed({ from, to, isLazy: false });
  assertEquals(edge("core/group/x.ts", "core/log/log.ts"), false);
  assertEquals(edge("core/log/log.ts", "net/wire/headers.ts"), false);
  assertEquals(edge("net/server/x.ts", "net/client/producer.ts"), false);
  assertEquals(edge("cli/x.ts", "net/client.ts"), false);
  assertEquals(edge("core/log/log.ts", "core/record/batch.ts"), true);
});
