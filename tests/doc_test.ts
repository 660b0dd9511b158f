/**
 * The examples in the documentation of the public API, and the README's,
 * run as they stand: type-checked, against a real broker in place of
 * `localhost:9092`.
 *
 * @module
 */
import { assert, assertEquals } from "@std/assert";
import { run, startBrokerProcess, temporaryFolder } from "./fixtures.ts";

const ROOT = new URL("../", import.meta.url);
const API = [
  "mod.ts",
  "net/client.ts",
  "net/broker.ts",
  "core/log.ts",
  "core/metadata.ts",
];

interface Example {
  readonly where: string;
  readonly code: string;
}

/** Blocks of TypeScript in doc comments or Markdown. */
function examplesOf(path: string): Example[] {
  const text = Deno.readTextFileSync(new URL(path, ROOT));
  const isCode = path.endsWith(".ts");
  const block = isCode
    ? /^ *\* ```ts[^\n]*\n([^]*?)^ *\* ```$/gm
    : /^```ts[^\n]*\n([^]*?)^```$/gm;
  return [...text.matchAll(block)].map((match, i) => ({
    where: `${path} example ${i + 1}`,
    code: isCode ? match[1]!.replace(/^ *\* ?/gm, "") : match[1]!,
  }));
}

/** What the public entries re-export may carry examples, too. */
function apiFiles(): string[] {
  const files = new Set(API);
  for (const path of API) {
    const text = Deno.readTextFileSync(new URL(path, ROOT));
    for (const match of text.matchAll(/^(?! *\*).*from "(\.[^"]+)"/gm)) {
      const url = new URL(match[1]!, new URL(path, ROOT)).href;
      files.add(url.slice(ROOT.href.length));
    }
  }
  return [...files];
}

Deno.test("examples of the public API and the README run as they stand", async () => {
  const examples = [...apiFiles(), "README.md"].flatMap(examplesOf);
  assert(examples.length > 0, "there is no example at all");
  using folder = temporaryFolder();
  await using broker = await startBrokerProcess({
    data: `${folder.path}/data`,
  });
  const paths = examples.map(({ code }, i) => {
    const path = `${folder.path}/example_${i}.ts`;
    Deno.writeTextFileSync(
      path,
      code
        .replaceAll("localhost:9092", broker.address)
        .replaceAll(/"(\.\/|@kf\/|kf\/?)(mod\.ts)?"/g, `"${ROOT.href}mod.ts"`),
    );
    return path;
  });
  const deno = async (...args: readonly string[]) => {
    const config = new URL("deno.json", ROOT).pathname;
    const [command, ...rest] = args;
    const { code, stderr } = await run(
      [Deno.execPath(), command!, "--config", config, ...rest],
      { timeoutMs: 120_000 },
    );
    assertEquals(code, 0, stderr);
  };
  // All at once: each check reads the whole API.
  await deno("check", ...paths);
  for (const [i, path] of paths.entries()) {
    try {
      await deno("run", "-A", path);
    } catch (error) {
      throw new Error(examples[i]!.where, { cause: error });
    }
  }
});
