/**
 * The command line's one seam: arguments, environment, standard streams,
 * files, signals, time and exit. The only file in `cli` that names Deno. It
 * must never decide anything about records or commands.
 *
 * @module
 */

/** Thrown when the reader of stdout has gone; `bytesWritten` did arrive. */
export class BrokenPipe extends Error {
  override readonly name = "BrokenPipe";
  constructor(readonly bytesWritten: number) {
    super("Cannot write to stdout: its reader has gone");
  }
}

/** The arguments after the script's name. */
export const args: readonly string[] = Deno.args;

/** An environment variable; `undefined` when unset or empty. */
export function variable(name: string): string | undefined {
  return Deno.env.get(name) || undefined;
}

/** Which of the standard streams are terminals. */
export const isTerminal = {
  stdin: (): boolean => Deno.stdin.isTerminal(),
  stdout: (): boolean => Deno.stdout.isTerminal(),
  stderr: (): boolean => Deno.stderr.isTerminal(),
};

/** Whether the terminal only prints: it knows no way back. */
export function isDumb(): boolean {
  return variable("TERM") === "dumb";
}

/** Columns of the terminal, 80 when there is none. */
export function columns(): number {
  try {
    return Deno.consoleSize().columns || 80;
  } catch {
    return 80;
  }
}

/** Lines of the terminal, 24 when there is none. */
export function rows(): number {
  try {
    return Deno.consoleSize().rows || 24;
  } catch {
    return 24;
  }
}

/**
 * What one write hands over at most: a pipe's default capacity. Deno's stdout
 * buffers behind a partial write and then fails without saying how much
 * arrived, so only whole writes can be counted.
 */
const WRITE_BYTES_MAX = 64 * 1024;

/** Writes all of `bytes` to stdout, blocking; throws {@linkcode BrokenPipe}. */
export function writeOut(bytes: Uint8Array): void {
  let at = 0;
  while (at < bytes.length) {
    try {
      at += Deno.stdout.writeSync(bytes.subarray(at, at + WRITE_BYTES_MAX));
    } catch (error) {
      if (error instanceof Deno.errors.BrokenPipe) throw new BrokenPipe(at);
      if (error instanceof Deno.errors.WouldBlock) continue;
      throw failed("write to stdout", error);
    }
  }
}

/**
 * Who reads the pipe that is stdout. A writer learns that its reader has gone
 * from its next write alone, and Deno has no `poll(2)`: who writes nothing for
 * long has to ask the system's table of processes, where there is one.
 *
 * 1. Readers that can't be seen, as under `sudo`, are never taken for gone.
 */
export class StdoutReaders {
  /** The pipe's name in that table. */
  #pipe = "";
  /** One of them; `undefined` when none was ever seen. */
  #reader: number | undefined;

  constructor() {
    if (Deno.build.os !== "linux") return;
    try {
      this.#pipe = Deno.readLinkSync("/proc/self/fd/1");
      if (this.#pipe.startsWith("pipe:")) this.#reader = this.#find();
    } catch {
      // There is no such table: the next write will tell.
    }
  }

  /** Whether there were some and all of them are gone. */
  haveGone(): boolean {
    if (this.#reader === undefined) return false;
    if (this.#reads(this.#reader) !== false) return false;
    const other = this.#find();
    if (other !== undefined) this.#reader = other;
    return other === undefined;
  }

  /** Any reader; those that were started beside us are asked first. */
  #find(): number | undefined {
    return [...Deno.readDirSync("/proc")]
      .map(({ name }) => Number(name)).filter(Number.isInteger)
      .sort((a, b) => Math.abs(a - Deno.pid) - Math.abs(b - Deno.pid))
      .find((pid) => this.#reads(pid));
  }

  /** Whether a process reads the pipe; `undefined` when it can't be seen. */
  #reads(pid: number): boolean | undefined {
    const process = `/proc/${pid}`;
    try {
      return [...Deno.readDirSync(`${process}/fd`)].some(({ name }) =>
        linkOf(`${process}/fd/${name}`) === this.#pipe &&
        READ_ONLY.test(readText(`${process}/fdinfo/${name}`) ?? "")
      );
    } catch (error) {
      if (error instanceof Deno.errors.NotFound) return false;
      return this.#hasEnded(process) ? false : undefined;
    }
  }

  /** Whether it only waits to be asked for its exit code, and so hides. */
  #hasEnded(process: string): boolean {
    try {
      return /\) Z [^)]*$/.test(Deno.readTextFileSync(`${process}/stat`));
    } catch {
      return false;
    }
  }
}

/** How the system tells of a file that is open for reading alone. */
const READ_ONLY = /^flags:\s*[0-7]*[04]$/m;

/** Where a link leads; `undefined` when it has just gone. */
function linkOf(path: string): string | undefined {
  try {
    return Deno.readLinkSync(path);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return undefined;
    throw error;
  }
}

/** Why something could not be done, without the number of the error. */
function failed(what: string, error: unknown): Error {
  const why = error instanceof Error ? error.message : String(error);
  const plain = why.replace(/ \(os error \d+\).*$/s, "");
  return new Error(
    `Cannot ${what}: ${plain[0]?.toLowerCase()}${plain.slice(1)}`,
    { cause: error },
  );
}

const encoder = new TextEncoder();

/** Writes text to stdout. */
export function printOut(text: string): void {
  writeOut(encoder.encode(text));
}

let isPainting = false;

/** Writes text to stderr; a closed stderr is no reason to fail. */
export function printErr(text: string): void {
  writeErr(encoder.encode(text));
}

/** Shows a line on stderr over the one before; the last one stays. */
export function paintErr(
  line: string,
  options: { readonly isLast: boolean },
): void {
  isPainting = false;
  // A line that wraps can't be painted over.
  const shown = options.isLast ? `${line}\n` : line.slice(0, columns() - 1);
  writeErr(encoder.encode(`\r\x1b[K${shown}`));
  isPainting = !options.isLast;
}

const CLEARED = encoder.encode("\r\x1b[K");

/** Writes bytes to stderr; a line that is painted there makes room. */
function writeErr(bytes: Uint8Array): void {
  if (isPainting) {
    isPainting = false;
    writeErr(CLEARED);
  }
  let at = 0;
  try {
    while (at < bytes.length) at += Deno.stderr.writeSync(bytes.subarray(at));
  } catch {
    return;
  }
}

/** A source of bytes: stdin or a file. */
export interface Source {
  /** Reads at least one byte into `into`; `null` at the end. */
  read(into: Uint8Array): Promise<number | null>;
  /** Releases the file; stdin stays open. */
  close(): void;
}

/** Opens a file for reading; `-` is stdin. */
export async function openSource(path: string): Promise<Source> {
  const isStdin = path === "-";
  const file = isStdin ? Deno.stdin : await Deno.open(path);
  const name = isStdin ? "stdin" : `"${path}"`;
  return {
    read: (into) =>
      file.read(into).catch((error) => {
        throw failed(`read ${name}`, error);
      }),
    close() {
      if (!isStdin) file.close();
    },
  };
}

/** Keys that are told of as they are pressed. */
export interface Keys {
  /** Gives the terminal back as it was. */
  release(): void;
}

/** Takes the keys of the terminal that is stdin, and shows none; Ctrl-C works. */
export function takeKeys(onKeys: (typed: string) => void): Keys {
  Deno.stdin.setRaw(true, { cbreak: true });
  let isOver = false;
  const decoder = new TextDecoder();
  const read = async () => {
    const bytes = new Uint8Array(1024);
    for (;;) {
      const length = await Deno.stdin.read(bytes);
      if (length === null || isOver) return;
      onKeys(decoder.decode(bytes.subarray(0, length)));
    }
  };
  // A terminal that is gone presses nothing.
  read().catch(() => {});
  return {
    release() {
      isOver = true;
      Deno.stdin.setRaw(false);
    },
  };
}

/** A file's text; `undefined` when there is none. */
export function readText(path: string): string | undefined {
  try {
    return Deno.readTextFileSync(path);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return undefined;
    throw error;
  }
}

/** A path that names every folder on the way; as given when nothing is there. */
export function wholePath(path: string): string {
  try {
    return Deno.realPathSync(path);
  } catch {
    return path;
  }
}

/** A file's size; `undefined` when there is none. */
export function fileBytes(path: string): number | undefined {
  try {
    return Deno.statSync(path).size;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return undefined;
    throw error;
  }
}

/** Whether a path ends in a slash, or is a folder's. */
export function isNamedAsFolder(path: string): boolean {
  if (/[/\\]$/.test(path)) return true;
  try {
    return Deno.statSync(path).isDirectory;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return false;
    throw error;
  }
}

/** Makes a folder and those above it; one that is there is fine. */
export function makeFolder(path: string): void {
  Deno.mkdirSync(path, { recursive: true });
}

/** A file that only grows. */
export interface GrowingFile {
  /** Writes all of `bytes` at its end. */
  append(bytes: Uint8Array): void;
  /** Brings it to the disk and releases it. */
  close(): void;
}

/** Opens a file to go on after its first `bytes`; what follows is cut off. */
export function openGrowing(path: string, bytes: number): GrowingFile {
  const file = Deno.openSync(path, { create: true, append: true });
  file.truncateSync(bytes);
  return {
    append(bytes) {
      try {
        let at = 0;
        while (at < bytes.length) at += file.writeSync(bytes.subarray(at));
      } catch (error) {
        throw failed(`write to "${path}"`, error);
      }
    },
    close() {
      file.syncSync();
      file.close();
    },
  };
}

/** Replaces a file that only its owner may read; its folder is made. */
export function writeSecretText(path: string, text: string): void {
  Deno.mkdirSync(path.slice(0, path.lastIndexOf("/")), { recursive: true });
  replaceText(path, text, { mode: 0o600 });
}

/** Replaces a file: it is there with all of `text`, or as it was. */
export function replaceText(
  path: string,
  text: string,
  options: { readonly mode?: number } = {},
): void {
  const beside = `${path}.${Deno.pid}.tmp`;
  Deno.writeTextFileSync(beside, text, options);
  Deno.renameSync(beside, path);
}

/** Lets a program of the user's take the terminal; gives its exit code. */
export async function runOnTerminal(
  program: string,
  given: readonly string[],
): Promise<number> {
  const child = new Deno.Command(program, { args: [...given] }).spawn();
  return (await child.status).code;
}

/** The working directory, then each of its parents. */
export function foldersUp(): string[] {
  const folders = [Deno.cwd()];
  for (;;) {
    const here = folders[folders.length - 1]!;
    const cut = Math.max(here.lastIndexOf("/"), here.lastIndexOf("\\"));
    const up = here.slice(0, cut);
    if (cut < 0 || up === here) return folders;
    folders.push(up);
  }
}

/** A file descriptor that this process was started with. */
export interface Descriptor {
  /** Writes all of `text` and lets go of it. */
  writeLast(text: string): void;
}

/** `open(2)`'s flags as Linux prints them: the access mode, and not inherited. */
const ACCESS_MODE = 0o3;
const CLOSE_ON_EXEC = 0o2000000;

/**
 * Opens an inherited file descriptor for writing. Deno can't write to a
 * descriptor by its number; the system's folder of them can be opened anew.
 * The number itself stays open: a reader gets a line, its end with ours.
 */
export function openDescriptor(fd: number): Descriptor {
  const path = `/dev/fd/${fd}`;
  let file: Deno.FsFile;
  try {
    if (Deno.build.os === "linux" && !isGivenForWriting(fd)) {
      throw new Error("it is not open for writing");
    }
    // Opened for reading too, a pipe whose reader has gone can't block us.
    const { isFifo } = Deno.statSync(path);
    file = Deno.openSync(path, { read: isFifo === true, append: true });
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    throw new Error(`Cannot use file descriptor ${fd}: ${why}`);
  }
  return {
    writeLast(text) {
      const bytes = encoder.encode(text);
      let at = 0;
      try {
        while (at < bytes.length) at += file.writeSync(bytes.subarray(at));
      } finally {
        file.close();
      }
    },
  };
}

/** Whether `fd` came from our parent: the runtime's own files are not for us. */
function isGivenForWriting(fd: number): boolean {
  const info = readText(`/proc/self/fdinfo/${fd}`);
  const flags = parseInt(/^flags:\s*([0-7]+)$/m.exec(info ?? "")?.[1] ?? "", 8);
  return (flags & ACCESS_MODE) > 0 && (flags & CLOSE_ON_EXEC) === 0;
}

/** Makes an empty temporary folder. */
export function makeTemporaryFolder(prefix: string): string {
  return Deno.makeTempDirSync({ prefix });
}

/** Removes a file, or a folder and all in it; a missing one is fine. */
export function removePath(path: string): void {
  try {
    Deno.removeSync(path, { recursive: true });
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  }
}

/** Milliseconds since an arbitrary start; never goes back. */
export function monoMs(): number {
  return performance.now();
}

/** Milliseconds since the Unix epoch. */
export function wallMs(): number {
  return Date.now();
}

/** A time in RFC 3339, UTC, with milliseconds. */
export function rfc3339(ms: number): string {
  return new Date(ms).toISOString();
}

/** Milliseconds since the Unix epoch of an RFC 3339 text; NaN when it is none. */
export function parseTime(text: string): number {
  return Date.parse(text);
}

/** Resolves after `ms`, or as soon as `signal` is aborted. */
export function sleep(ms: number, signal?: AbortSignal): Promise<void> {
  if (signal?.aborted) return Promise.resolve();
  return new Promise((resolve) => {
    const done = () => {
      clearTimeout(timer);
      signal?.removeEventListener("abort", done);
      resolve();
    };
    const timer = setTimeout(done, ms);
    signal?.addEventListener("abort", done);
  });
}

/** Resolves once sockets, timers and signals have had their turn. */
export function nextTurn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}

/** What SIGINT and SIGTERM do while a command runs. */
export interface Interrupts {
  /** Aborted by the first signal: drain, commit, leave. */
  readonly signal: AbortSignal;
  /** Gives the signals back to the system. */
  release(): void;
}

/** Whoever has pressed Ctrl-C waits so long before the second one is thought of. */
const PATIENCE_MS = 1500;

/**
 * Takes SIGINT and SIGTERM: the first aborts `signal`, the second ends the
 * process with 130 or 143.
 */
export function takeInterrupts(): Interrupts {
  const controller = new AbortController();
  const handlers: [Deno.Signal, () => void][] = [];
  let reminder: ReturnType<typeof setTimeout> | undefined;
  const names: [Deno.Signal, number][] = Deno.build.os === "windows"
    ? [["SIGINT", 130]]
    : [["SIGINT", 130], ["SIGTERM", 143]];
  for (const [name, code] of names) {
    const handler = () => {
      if (controller.signal.aborted) Deno.exit(code);
      // The terminal shows ^C: what is said now begins in a line of its own,
      // unless it is painted over.
      const isShown = name === "SIGINT" && isTerminal.stderr();
      if (isShown && !isPainting) printErr("\n");
      if (isShown) {
        reminder = setTimeout(
          () => printErr("kf: finishing what was begun; once more to abort\n"),
          PATIENCE_MS,
        );
      }
      controller.abort();
    };
    Deno.addSignalListener(name, handler);
    handlers.push([name, handler]);
  }
  return {
    signal: controller.signal,
    release() {
      clearTimeout(reminder);
      for (const [name, handler] of handlers.splice(0)) {
        Deno.removeSignalListener(name, handler);
      }
    },
  };
}

/** Ends the process. */
export function exit(code: number): never {
  Deno.exit(code);
}

/** What tells this process from others of the machine. */
export function processId(): number {
  return Deno.pid;
}

/** 64 bits of chance. */
export function random64(): bigint {
  return crypto.getRandomValues(new BigUint64Array(1))[0]!;
}

/** Versions of what runs us. */
export function runtime(): { deno: string; target: string } {
  return { deno: Deno.version.deno, target: Deno.build.target };
}

/** A running child `kf`. */
export interface Child {
  /** Writes all of `bytes` to its stdin. */
  write(bytes: Uint8Array<ArrayBuffer>): Promise<void>;
  /** Ends its stdin. */
  endInput(): Promise<void>;
  /** Its stdout in chunks. */
  readonly output: AsyncIterable<Uint8Array<ArrayBuffer>>;
  /** Asks it to drain and end. */
  stop(): void;
  /** Ends it at once, as `kill -9` does. */
  kill(): void;
  /** Its exit code and all of its stderr. */
  readonly ended: Promise<{ code: number; stderr: string }>;
}

/** Runs another `kf`: this program, or the same source. */
export function startKf(given: readonly string[]): Child {
  const main = new URL("./main.ts", import.meta.url).pathname;
  const own = Deno.build.standalone ? [] : ["run", "-A", "--quiet", main];
  const child = new Deno.Command(Deno.execPath(), {
    args: [...own, ...given],
    stdin: "piped",
    stdout: "piped",
    stderr: "piped",
  }).spawn();
  const writer = child.stdin.getWriter();
  const stderr = new Response(child.stderr).text();
  return {
    write: (bytes) => writer.write(bytes),
    endInput: () => writer.close(),
    output: child.stdout,
    stop() {
      child.kill("SIGTERM");
    },
    kill: () => killHard(child),
    ended: child.status.then(async ({ code }) => ({
      code,
      stderr: await stderr,
    })),
  };
}

function killHard(child: Deno.ChildProcess): void {
  try {
    child.kill("SIGKILL");
  } catch (error) {
    // It has ended already.
    if (!(error instanceof TypeError)) throw error;
  }
}

/** A running command of the user's. */
export interface RunningCommand {
  /** Writes all of `bytes` to its stdin; false when it reads no more. */
  write(bytes: Uint8Array): Promise<boolean>;
  /** Ends its stdin. */
  endInput(): Promise<void>;
  /** Its stdout. */
  readonly output: Source;
  /** The last of what it has said on stderr, which goes to ours as well. */
  stderrTail(): string;
  /** Ends it at once. */
  kill(): void;
  /** How it ended, once all of its stderr has been read. */
  readonly ended: Promise<{ code: number; signal: string | null }>;
}

const STDERR_TAIL_BYTES = 2048;

/** Starts a command of the user's; throws when there is no such program. */
export function startCommand(words: readonly string[]): RunningCommand {
  const child = spawn(words);
  const writer = child.stdin.getWriter();
  const ignoreGone = (error: unknown) => {
    if (error instanceof Deno.errors.BrokenPipe) return false;
    throw error;
  };
  let tail = new Uint8Array(0);
  const saying = (async () => {
    for await (const chunk of child.stderr) {
      writeErr(chunk);
      const all = new Uint8Array(tail.length + chunk.length);
      all.set(tail);
      all.set(chunk, tail.length);
      tail = all.slice(-STDERR_TAIL_BYTES);
    }
  })();
  return {
    write: (bytes) =>
      writer.write(bytes as Uint8Array<ArrayBuffer>).then(
        () => true,
        ignoreGone,
      ),
    endInput: () =>
      writer.close().then(() => {}, (error) => {
        ignoreGone(error);
      }),
    output: sourceOf(child.stdout.getReader()),
    stderrTail: () => new TextDecoder().decode(tail),
    kill: () => killHard(child),
    ended: Promise.all([child.status, saying]).then(([{ code, signal }]) => ({
      code,
      signal,
    })),
  };
}

function spawn([program, ...given]: readonly string[]) {
  try {
    return new Deno.Command(program!, {
      args: given,
      stdin: "piped",
      stdout: "piped",
      stderr: "piped",
    }).spawn();
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
    throw new Error(`Cannot run "${program}": there is no such command`);
  }
}

function sourceOf(
  reader: ReadableStreamDefaultReader<Uint8Array<ArrayBuffer>>,
): Source {
  let left: Uint8Array | undefined;
  return {
    async read(into) {
      while (left === undefined || left.length === 0) {
        const { value, done } = await reader.read();
        if (done) return null;
        left = value;
      }
      const count = Math.min(left.length, into.length);
      into.set(left.subarray(0, count));
      left = left.subarray(count);
      return count;
    },
    close() {
      reader.cancel().catch(() => {});
    },
  };
}

/** The text of a file beside the entry of an npm package. */
export async function readPackageText(
  specifier: string,
  path: string,
): Promise<string> {
  return await Deno.readTextFile(
    new URL(path, import.meta.resolve(specifier)),
  );
}
