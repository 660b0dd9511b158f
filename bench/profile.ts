/**
 * Where a running broker spends its time: starts one with the inspector on,
 * runs a command as its load and prints the functions with the most self
 * time. `{port}` in the command becomes the broker's port.
 *
 * `deno run -A bench/profile.ts -- load produce {port} bench 16384 1000 4 8 2000000000`
 *
 * @module
 */

const MAIN = new URL("../cli/main.ts", import.meta.url).pathname;
const TOPIC = "bench";
const TOP = 40;
const SAMPLING_MICROSECONDS = 200;
const decoder = new TextDecoder();

interface Node {
  readonly id: number;
  readonly callFrame: {
    readonly functionName: string;
    readonly url: string;
    readonly lineNumber: number;
  };
}

interface Profile {
  readonly nodes: readonly Node[];
  readonly samples: readonly number[];
  readonly timeDeltas: readonly number[];
}

/** Calls of the inspector's protocol over its WebSocket. */
class Inspector {
  readonly #socket: WebSocket;
  readonly #calls = new Map<number, (result: unknown) => void>();
  #nextId = 1;

  private constructor(socket: WebSocket) {
    this.#socket = socket;
    socket.onmessage = ({ data }) => {
      const { id, result } = JSON.parse(data);
      this.#calls.get(id)?.(result);
      this.#calls.delete(id);
    };
  }

  static open(url: string): Promise<Inspector> {
    const socket = new WebSocket(url);
    return new Promise((resolve, reject) => {
      socket.onopen = () => resolve(new Inspector(socket));
      socket.onerror = () => reject(new Error(`Cannot inspect ${url}`));
    });
  }

  call(method: string, params: object = {}): Promise<unknown> {
    const id = this.#nextId++;
    this.#socket.send(JSON.stringify({ id, method, params }));
    return new Promise((resolve) => this.#calls.set(id, resolve));
  }

  close(): void {
    this.#socket.close();
  }
}

/** Reads `stream` to its end; `match` resolves at the first match of each. */
function watch(stream: ReadableStream<Uint8Array>, patterns: RegExp[]) {
  const found = Promise.withResolvers<string[]>();
  const over = (async () => {
    let text = "";
    for await (const chunk of stream.pipeThrough(new TextDecoderStream())) {
      text += chunk;
      const matches = patterns.map((pattern) => pattern.exec(text)?.[1]);
      if (matches.every((match) => match !== undefined)) {
        found.resolve(matches);
      }
    }
    found.reject(new Error(`Broker ended before it was ready: ${text}`));
  })();
  return { found: found.promise, over };
}

async function run(command: string, args: readonly string[]): Promise<void> {
  const { success, stdout, stderr } = await new Deno.Command(command, {
    args: [...args],
  }).output();
  print(decoder.decode(stdout).trimEnd());
  if (!success) {
    throw new Error(`Cannot run ${command}: ${decoder.decode(stderr)}`);
  }
}

function labelOf({ callFrame }: Node): string {
  const { functionName, url, lineNumber } = callFrame;
  const file = url.replace(/^.*\/(?=[^/]+\/[^/]+$)/, "");
  return `${functionName || "(anonymous)"}  ${file}:${lineNumber + 1}`;
}

function report({ nodes, samples, timeDeltas }: Profile): void {
  const labels = new Map(nodes.map((node) => [node.id, labelOf(node)]));
  const spent = new Map<string, number>();
  let total = 0;
  samples.forEach((id, i) => {
    const label = labels.get(id)!;
    const delta = timeDeltas[i]!;
    if (label.startsWith("(idle)")) return;
    total += delta;
    spent.set(label, (spent.get(label) ?? 0) + delta);
  });
  const top = [...spent].sort((a, b) => b[1] - a[1]).slice(0, TOP);
  print(`${(total / 1e6).toFixed(2)} s busy`);
  for (const [label, micros] of top) {
    print(`${(micros / total * 100).toFixed(1).padStart(5)} %  ${label}`);
  }
}

function print(line: string): void {
  Deno.stdout.writeSync(new TextEncoder().encode(line + "\n"));
}

async function profile(
  load: readonly string[],
  folder: string,
): Promise<Profile> {
  const child = new Deno.Command(Deno.execPath(), {
    args: [
      "run",
      "-A",
      "--inspect=127.0.0.1:0",
      MAIN,
      "broker",
      "--data",
      `${folder}/data`,
      "--listen",
      "127.0.0.1:0",
      "-X",
      "log.segment.bytes=1073741824",
    ],
    stdin: "null",
    stdout: "null",
    stderr: "piped",
  }).spawn();
  const { found, over } = watch(child.stderr, [
    /(ws:\/\/\S+)/,
    /eady[^\n]*127\.0\.0\.1:(\d+)/,
  ]);
  try {
    const [url, port] = await found;
    const at = `127.0.0.1:${port}`;
    await run(Deno.execPath(), [
      ...["run", "-A", MAIN, "topic", "create", TOPIC],
      ...["-p", "1", "-b", at],
    ]);
    const [command, ...args] = load.map((arg) => arg.replace("{port}", port!));
    const inspector = await Inspector.open(url!);
    await inspector.call("Profiler.enable");
    const interval = SAMPLING_MICROSECONDS;
    await inspector.call("Profiler.setSamplingInterval", { interval });
    await inspector.call("Profiler.start");
    await run(command!, args);
    const { profile } = await inspector.call("Profiler.stop") as {
      profile: Profile;
    };
    inspector.close();
    return profile;
  } finally {
    child.kill("SIGTERM");
    await over.catch(() => {});
    await child.status;
  }
}

const load = Deno.args.filter((arg) => arg !== "--");
const folder = await Deno.makeTempDir({ prefix: "kf-profile-" });
try {
  report(await profile(load, folder));
} finally {
  await Deno.remove(folder, { recursive: true });
}
