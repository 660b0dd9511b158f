/**
 * The gate of the single binary: compiles kf, takes the embedded program out of
 * the result and runs it without configuration, npm or network, as it would
 * run on a user's machine. With `--keep PATH` the binary is kept. Where
 * Deno's small runtime can't be downloaded, Deno itself is its base.
 *
 * @module
 */
import { run, until } from "./fixtures.ts";

const ROOT = new URL("../", import.meta.url).pathname;
const MARK = "d3n0l4nd";
const DECODER = new TextDecoder();

/** One entry of the embedded file tree: `o` is offset and length. */
interface Entry {
  readonly File?: { readonly n: string; readonly o: readonly [number, number] };
}

/** What was embedded. */
interface Embedded {
  readonly entry: string;
  readonly files: ReadonlyMap<string, Uint8Array>;
}

/** A block: its length as u64, then its bytes. `undefined` when cut off. */
function blockAt(bytes: Uint8Array, at: number): Uint8Array | undefined {
  if (at + 8 > bytes.length) return undefined;
  const view = new DataView(bytes.buffer, bytes.byteOffset);
  const size = Number(view.getBigUint64(at, true));
  if (size > bytes.length - at - 8) return undefined;
  return bytes.subarray(at + 8, at + 8 + size);
}

function jsonAt(bytes: Uint8Array, at: number): unknown {
  const block = blockAt(bytes, at);
  if (block === undefined || (block[0] !== 0x7b && block[0] !== 0x5b)) {
    return undefined;
  }
  try {
    return JSON.parse(DECODER.decode(block));
  } catch {
    return undefined;
  }
}

function unpack(bytes: Uint8Array): Embedded {
  const at = findMetadata(bytes);
  const metadata = jsonAt(bytes, at) as { entrypoint_key: string };
  let tree = at + 8 + blockAt(bytes, at)!.length;
  // Between them lie npm's snapshot and remote modules: none, but for counts.
  while (!Array.isArray(jsonAt(bytes, tree))) {
    if (tree++ > bytes.length) throw new Error("no file tree was embedded");
  }
  const entries = jsonAt(bytes, tree) as Entry[];
  const data = blockAt(bytes, tree + 8 + blockAt(bytes, tree)!.length);
  if (data === undefined) throw new Error("no file data were embedded");
  const files = entries.map(({ File }) => {
    if (File === undefined) {
      throw new Error("more than one bundle was embedded");
    }
    const [from, size] = File.o;
    return [File.n, data.subarray(from, from + size)] as const;
  });
  return { entry: metadata.entrypoint_key, files: new Map(files) };
}

/** Where the metadata's length stands: after the mark that JSON follows. */
function findMetadata(bytes: Uint8Array): number {
  const first = MARK.charCodeAt(0);
  for (let at = bytes.indexOf(first); at >= 0;) {
    const text = DECODER.decode(bytes.subarray(at, at + MARK.length));
    if (text === MARK && jsonAt(bytes, at + MARK.length) !== undefined) {
      return at + MARK.length;
    }
    at = bytes.indexOf(first, at + 1);
  }
  throw new Error("nothing was embedded");
}

async function compile(binary: string): Promise<void> {
  const env: Record<string, string> = {};
  const { code, stderr } = await compileWith(binary, env);
  if (code === 0) return;
  console.log(`compiling with Deno as base: ${lastLine(stderr)}`);
  env["DENORT_BIN"] = Deno.execPath();
  const second = await compileWith(binary, env);
  if (second.code !== 0) throw new Error(`deno compile: ${second.stderr}`);
}

function compileWith(binary: string, env: Record<string, string>) {
  return run([
    Deno.execPath(),
    "compile",
    "-A",
    "--bundle",
    // Of all that deno.lock names, only what kf itself is made of.
    `--lock=${ROOT}cli/deno.lock`,
    "--app-name",
    "kf",
    "--output",
    binary,
    `${ROOT}cli/main.ts`,
  ], { cwd: ROOT, env, timeoutMs: 300_000 });
}

function lastLine(text: string): string {
  return text.trim().split("\n").at(-1) ?? "";
}

/** The three commands, by the program that was embedded. */
async function tryOut(entry: string, folder: string): Promise<void> {
  const kf = (...args: string[]) => [
    Deno.execPath(),
    "run",
    "-A",
    "--no-config",
    "--no-npm",
    "--no-remote",
    entry,
    ...args,
  ];
  const expect = async (args: string[], wanted: RegExp, stdin?: string) => {
    const { code, stdout, stderr } = await run(kf(...args), {
      cwd: folder,
      ...(stdin === undefined ? {} : { stdin }),
    });
    if (code === 0 && wanted.test(stdout)) return;
    throw new Error(`kf ${args.join(" ")}: ${code}, ${stdout}${stderr}`);
  };
  await expect(["version"], /^kf \d/);
  await expect(["--help"], /Usage: kf/);
  const [program, ...args] = kf("broker", "--listen", "127.0.0.1:0");
  const broker = new Deno.Command(program!, {
    args,
    cwd: folder,
    stderr: "piped",
    stdout: "null",
    stdin: "null",
  }).spawn();
  let said = "";
  const reading = (async () => {
    for await (const chunk of broker.stderr) said += DECODER.decode(chunk);
  })();
  try {
    const address = await until(
      `the broker is ready: ${said}`,
      () => /127\.0\.0\.1:\d+/.exec(said)?.[0],
    );
    const records = "1\n2\n3\n";
    for (const codec of ["none", "gzip", "snappy", "lz4", "zstd"]) {
      const produce = ["produce", `t-${codec}`, "-b", address, "-z", codec];
      await expect(produce, /^$/, records);
      const consume = ["consume", `t-${codec}`, "-b", address, "-e"];
      await expect(consume, /^1\n2\n3\n$/);
    }
    const group = ["consume", "t-none", "-b", address, "-g", "g", "-e"];
    await expect(group, /^1\n2\n3\n$/);
    await expect(["topic", "list", "-b", address], /t-none/);
  } finally {
    broker.kill("SIGTERM");
    await broker.status;
    await reading;
  }
}

const keep = Deno.args[0] === "--keep" ? Deno.args[1] : undefined;
const folder = Deno.makeTempDirSync({ prefix: "kf-compile-" });
try {
  const binary = keep ?? `${folder}/kf`;
  await compile(binary);
  const { entry, files } = unpack(Deno.readFileSync(binary));
  for (const [name, bytes] of files) {
    Deno.writeFileSync(`${folder}/${name}`, bytes);
  }
  await tryOut(`${folder}/${entry}`, folder);
  console.log("the embedded program works by itself");
} finally {
  Deno.removeSync(folder, { recursive: true });
}
