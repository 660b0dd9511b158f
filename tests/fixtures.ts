/**
 * What tests share: temporary folders, kf as a real child process, external
 * programs, waiting for a condition. Owns no assertions.
 *
 * @module
 */

/** Path of the command's entry. */
export const MAIN = new URL("../cli/main.ts", import.meta.url).pathname;

const DECODER = new TextDecoder();

/** A folder that is removed when the scope ends. */
export function temporaryFolder(): { path: string } & Disposable {
  const path = Deno.makeTempDirSync({ prefix: "kf-test-" });
  return {
    path,
    [Symbol.dispose]() {
      Deno.removeSync(path, { recursive: true });
    },
  };
}

/** Waits until `condition` gives a value other than false, undefined or null. */
export async function until<T>(
  what: string,
  condition: () => T | Promise<T>,
  timeoutMs = 30_000,
): Promise<NonNullable<T>> {
  const deadlineMs = Date.now() + timeoutMs;
  for (;;) {
    const value = await condition();
    if (value) return value;
    if (Date.now() > deadlineMs) {
      throw new Error(`Waited ${timeoutMs} ms in vain until ${what}`);
    }
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}

/** A line of a stream at a time; what follows the last end of line isn't one. */
export async function* linesOf(
  stream: ReadableStream<Uint8Array>,
): AsyncGenerator<string> {
  const decoder = new TextDecoder();
  let rest = "";
  for await (const chunk of stream) {
    const lines = (rest + decoder.decode(chunk, { stream: true })).split("\n");
    rest = lines.pop()!;
    yield* lines;
  }
}

/** What a finished command left. */
export interface Finished {
  readonly code: number;
  readonly signal: Deno.Signal | null;
  readonly stdout: string;
  readonly stdoutBytes: Uint8Array<ArrayBuffer>;
  readonly stderr: string;
}

/** Input and environment of {@linkcode run}. */
export interface RunOptions {
  readonly stdin?: string | Uint8Array;
  readonly env?: Record<string, string>;
  readonly cwd?: string;
  readonly timeoutMs?: number;
}

/** Runs a program to its end. */
export async function run(
  command: readonly string[],
  options: RunOptions = {},
): Promise<Finished> {
  const child = new Deno.Command(command[0]!, {
    args: command.slice(1),
    stdin: options.stdin === undefined ? "null" : "piped",
    stdout: "piped",
    stderr: "piped",
    ...(options.env ? { env: options.env } : {}),
    ...(options.cwd ? { cwd: options.cwd } : {}),
  }).spawn();
  const timer = setTimeout(
    () => child.kill("SIGKILL"),
    options.timeoutMs ?? 60_000,
  );
  try {
    const [output] = await Promise.all([
      child.output(),
      options.stdin === undefined ? undefined : feed(child, options.stdin),
    ]);
    return {
      code: output.code,
      signal: output.signal,
      stdout: DECODER.decode(output.stdout),
      stdoutBytes: output.stdout,
      stderr: DECODER.decode(output.stderr),
    };
  } finally {
    clearTimeout(timer);
  }
}

async function feed(
  child: Deno.ChildProcess,
  input: string | Uint8Array,
): Promise<void> {
  const bytes = typeof input === "string"
    ? new TextEncoder().encode(input)
    : input;
  const writer = child.stdin.getWriter();
  try {
    await writer.write(bytes as Uint8Array<ArrayBuffer>);
    await writer.close();
  } catch (error) {
    if (!(error instanceof Deno.errors.BrokenPipe)) throw error;
  }
}

/** The command line that runs kf from source. */
export function kfCommand(...args: string[]): string[] {
  return [Deno.execPath(), "run", "-A", "-q", "--no-lock", MAIN, ...args];
}

/** Runs `kf` to its end. */
export function kf(
  args: readonly string[],
  options?: RunOptions,
): Promise<Finished> {
  return run(kfCommand(...args), options);
}

/** A small seeded generator (mulberry32), so that a failing run can be told. */
export function seeded(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = state + 0x6d2b79f5 >>> 0;
    let mixed = Math.imul(state ^ state >>> 15, state | 1);
    mixed ^= mixed + Math.imul(mixed ^ mixed >>> 7, mixed | 61);
    return ((mixed ^ mixed >>> 14) >>> 0) / 4294967296;
  };
}

/** A running `kf broker`. */
export interface BrokerProcess extends AsyncDisposable {
  readonly address: string;
  readonly port: number;
  readonly pid: number;
  /** Everything that it printed for operators so far. */
  stderr(): string;
  /** Sends the signal and waits for the end; gives the exit code. */
  end(signal?: Deno.Signal): Promise<number>;
}

/** Where and how {@linkcode startBrokerProcess} runs the broker. */
export interface BrokerProcessOptions {
  readonly data: string;
  readonly host?: "127.0.0.1" | "localhost";
  readonly port?: number;
  readonly args?: readonly string[];
  /** A program that runs the command behind its own arguments. */
  readonly under?: readonly string[];
}

/** Starts `kf broker` and waits until it names its address. */
export async function startBrokerProcess(
  options: BrokerProcessOptions,
): Promise<BrokerProcess> {
  const [program, ...args] = [
    ...options.under ?? [],
    ...kfCommand(
      "broker",
      "--data",
      options.data,
      "--listen",
      `${options.host ?? "127.0.0.1"}:${options.port ?? 0}`,
      ...options.args ?? [],
    ),
  ];
  const child = new Deno.Command(program!, {
    args,
    stdin: "null",
    stdout: "null",
    stderr: "piped",
  }).spawn();
  let printed = "";
  const { promise, resolve, reject } = Promise.withResolvers<number>();
  const reading = (async () => {
    for await (const chunk of child.stderr) {
      printed += DECODER.decode(chunk, { stream: true });
      const match = /127\.0\.0\.1:(\d+)/.exec(printed);
      if (match) resolve(Number(match[1]));
    }
    reject(new Error(`kf broker ended before it was ready: ${printed}`));
  })();
  const port = await promise;
  let hasEnded = false;
  const end = async (signal: Deno.Signal = "SIGTERM") => {
    if (!hasEnded) child.kill(signal);
    hasEnded = true;
    const status = await child.status;
    await reading;
    return status.code;
  };
  return {
    address: `127.0.0.1:${port}`,
    port,
    pid: child.pid,
    stderr: () => printed,
    end,
    async [Symbol.asyncDispose]() {
      await end("SIGKILL");
    },
  };
}

/** Whether a program can be run here; says so when not, for tests that skip. */
export function hasProgram(name: string, ...probe: string[]): boolean {
  try {
    new Deno.Command(name, { args: probe, stdout: "null", stderr: "null" })
      .outputSync();
    return true;
  } catch {
    // deno-lint-ignore no-console
    console.warn(`skipped: ${name} is not installed`);
    return false;
  }
}
