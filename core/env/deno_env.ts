/**
 * The real seams: the one file in core that names Deno and the ambient clock,
 * chance and timers. Owns nothing but handles; every failure of the disk
 * leaves as a {@linkcode DiskError} that says what failed on which path.
 *
 * @module
 */
import { messageOf } from "../errors.ts";
import {
  type Cancel,
  type Clock,
  type Disk,
  type DiskEntry,
  DiskError,
  type DiskErrorCode,
  type DiskFile,
  type DiskStat,
  type Env,
  type Hashes,
  type OpenMode,
  type ProcessUsage,
  type Random,
  type Tasks,
  type Trace,
  type TraceLevel,
} from "./env.ts";

const LEVELS: readonly TraceLevel[] = ["debug", "info", "warn", "error"];
const ENCODER = new TextEncoder();
const RANDOM_POOL_BYTES = 4096;

/** What {@linkcode denoEnv} may be told. */
export interface DenoEnvOptions {
  /** Where traces go; one line per event on stderr unless given. */
  readonly trace?: Trace;
  /** The lowest level that is printed on stderr; `"info"` unless given. */
  readonly traceLevel?: TraceLevel;
}

/** The real clock, chance, disk and tasks of this process. */
export function denoEnv(options: DenoEnvOptions = {}): Env {
  const trace = options.trace ?? stderrTrace(options.traceLevel ?? "info");
  return {
    clock: denoClock(),
    random: denoRandom(),
    hashes: denoHashes(),
    disk: denoDisk(),
    trace,
    tasks: denoTasks(trace),
  };
}

/** What this process uses now. */
export function processUsage(): ProcessUsage {
  const { rss, heapUsed } = Deno.memoryUsage();
  const { user, system } = process.cpuUsage();
  return {
    startedAtSeconds: performance.timeOrigin / 1000,
    cpuSeconds: (user + system) / 1e6,
    residentBytes: rss,
    heapBytes: heapUsed,
  };
}

/** Files and sockets that this process may have open, where the system says. */
export function openFilesMax(): number | undefined {
  try {
    const limits = Deno.readTextFileSync("/proc/self/limits");
    const [, soft] = /^Max open files\s+(\d+)/m.exec(limits) ?? [];
    return soft === undefined ? undefined : Number(soft);
  } catch {
    return undefined;
  }
}

function denoClock(): Clock {
  return {
    wallMs: () => Date.now(),
    monoMs: () => performance.now(),
    sleep,
    timer(ms, fn): Cancel {
      const id = setTimeout(fn, ms);
      return () => clearTimeout(id);
    },
    endOfTurn: turnEnd(),
  };
}

function sleep(ms: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    if (signal?.aborted) return reject(signal.reason);
    const onAbort = () => {
      clearTimeout(id);
      reject(signal!.reason);
    };
    const id = setTimeout(() => {
      signal?.removeEventListener("abort", onAbort);
      resolve();
    }, ms);
    signal?.addEventListener("abort", onAbort, { once: true });
  });
}

/**
 * Gathers what is due at the end of the turn behind one microtask hop. The
 * promises of one poll of the event loop are resolved together, so the reads
 * of several connections have run before the second hop does.
 */
function turnEnd(): (fn: () => void) => void {
  let due: (() => void)[] = [];
  const run = () => {
    const now = due;
    due = [];
    for (const fn of now) fn();
  };
  return (fn) => {
    due.push(fn);
    if (due.length === 1) queueMicrotask(() => queueMicrotask(run));
  };
}

/** Draws from a pool: one call into the system per 4 KiB. */
function denoRandom(): Random {
  const pool = new Uint8Array(RANDOM_POOL_BYTES);
  const view = new DataView(pool.buffer);
  let used = RANDOM_POOL_BYTES;
  return {
    u32() {
      if (used + 4 > RANDOM_POOL_BYTES) {
        crypto.getRandomValues(pool);
        used = 0;
      }
      used += 4;
      return view.getUint32(used - 4);
    },
    bytes: (n) => crypto.getRandomValues(new Uint8Array(n)),
  };
}

function denoHashes(): Hashes {
  const { subtle } = crypto;
  return {
    digest: async (hash, bytes) =>
      new Uint8Array(await subtle.digest(hash, bytes.slice())),
    async hmac(hash, { key, bytes }) {
      const algorithm = { name: "HMAC", hash };
      const imported = await subtle
        .importKey("raw", key.slice(), algorithm, false, ["sign"]);
      return new Uint8Array(
        await subtle.sign("HMAC", imported, bytes.slice()),
      );
    },
  };
}

function denoTasks(trace: Trace): Tasks {
  const running = new Set<Promise<void>>();
  const guarded = async (name: string, fn: () => Promise<void>) => {
    try {
      await fn();
    } catch (error) {
      trace("error", `Task "${name}" failed`, { error });
    }
  };
  return {
    spawn(name, fn) {
      const task = guarded(name, fn);
      running.add(task);
      task.finally(() => running.delete(task));
    },
    async settled() {
      while (running.size > 0) await Promise.all(running);
    },
  };
}

/** One line per event: level, sentence, `name=value` pairs. */
function stderrTrace(lowest: TraceLevel): Trace {
  const from = LEVELS.indexOf(lowest);
  return (level, event, fields) => {
    if (LEVELS.indexOf(level) < from) return;
    const values = Object.entries(fields ?? {})
      .map(([name, value]) => ` ${name}=${fieldText(value)}`).join("");
    writeStderr(`${level.toUpperCase().padEnd(5)} ${event}${values}\n`);
  };
}

function fieldText(value: unknown): string {
  if (value instanceof Error) return JSON.stringify(value.message);
  if (typeof value === "string" && /^[^\s"=]+$/.test(value)) return value;
  return JSON.stringify(value) ?? String(value);
}

/** Traces must never end the process: a closed stderr is nobody's fault. */
function writeStderr(line: string): void {
  try {
    const bytes = ENCODER.encode(line);
    let at = 0;
    while (at < bytes.length) at += Deno.stderr.writeSync(bytes.subarray(at));
  } catch (error) {
    if (!(error instanceof Deno.errors.BrokenPipe)) return;
  }
}

const CODES: readonly [new (...args: never[]) => Error, DiskErrorCode][] = [
  [Deno.errors.NotFound, "NotFound"],
  [Deno.errors.AlreadyExists, "Exists"],
  [Deno.errors.PermissionDenied, "Denied"],
  [Deno.errors.NotCapable, "Denied"],
];

const SYSTEM_CODES: Readonly<Record<string, DiskErrorCode>> = {
  ENOSPC: "NoSpace",
  EDQUOT: "NoSpace",
  EFBIG: "NoSpace",
  EROFS: "ReadOnly",
  EMFILE: "TooManyFiles",
  ENFILE: "TooManyFiles",
  EACCES: "Denied",
  EPERM: "Denied",
};

function diskErrorCode(error: unknown): DiskErrorCode {
  const { code, message } = error as { code?: string; message?: string };
  if (code !== undefined && SYSTEM_CODES[code]) return SYSTEM_CODES[code];
  if (/os error 30\b/.test(message ?? "")) return "ReadOnly";
  if (/os error 28\b/.test(message ?? "")) return "NoSpace";
  if (/os error 2[34]\b/.test(message ?? "")) return "TooManyFiles";
  for (const [type, found] of CODES) if (error instanceof type) return found;
  return "Io";
}

/** Runs a disk call; its failure says what was to be done on which path. */
function attempt<T>(verb: string, path: string, call: () => T): T {
  try {
    return call();
  } catch (error) {
    throw failed(verb, path, error);
  }
}

function failed(verb: string, path: string, error: unknown): DiskError {
  if (error instanceof DiskError) return error;
  const reason = messageOf(error);
  return new DiskError(
    diskErrorCode(error),
    `Cannot ${verb} "${path}": ${reason}`,
    { cause: error },
  );
}

/**
 * An open file.
 *
 * Invariants:
 * 1. `#position` is where the handle stands, −1 when that isn't known: what
 *    goes on where the last call ended needs no seek.
 */
class DenoFile implements DiskFile {
  readonly path: string;
  readonly #file: Deno.FsFile;
  #position = 0;
  #isOpen = true;

  constructor(path: string, mode: OpenMode) {
    this.path = path;
    this.#file = attempt("open", path, () =>
      Deno.openSync(path, {
        read: true,
        write: mode !== "read",
        create: mode === "create",
      }));
  }

  pread(into: Uint8Array, position: number): number {
    try {
      this.#seek(position);
      let at = 0;
      while (at < into.length) {
        const n = this.#file.readSync(at === 0 ? into : into.subarray(at));
        if (n === null) break;
        at += n;
      }
      this.#position = position + at;
      return at;
    } catch (error) {
      throw failed("read", this.path, error);
    }
  }

  pwriteAll(bytes: Uint8Array, position: number): void {
    try {
      this.#seek(position);
      let at = 0;
      while (at < bytes.length) {
        const n = this.#file.writeSync(at === 0 ? bytes : bytes.subarray(at));
        if (n === 0) throw new Error("the disk took no bytes");
        at += n;
      }
      this.#position = position + at;
    } catch (error) {
      throw failed("write", this.path, error);
    }
  }

  /** Leaves the position unknown until the call that follows has succeeded. */
  #seek(position: number): void {
    const isThere = this.#position === position;
    this.#position = -1;
    if (!isThere) this.#file.seekSync(position, Deno.SeekMode.Start);
  }

  async syncData(): Promise<void> {
    try {
      await this.#file.syncData();
    } catch (error) {
      throw failed("sync", this.path, error);
    }
  }

  syncDataSync(): void {
    attempt("sync", this.path, () => this.#file.syncDataSync());
  }

  truncate(size: number): void {
    attempt("truncate", this.path, () => this.#file.truncateSync(size));
  }

  size(): number {
    return attempt("stat", this.path, () => this.#file.statSync().size);
  }

  close(): void {
    if (!this.#isOpen) return;
    this.#isOpen = false;
    this.#file.close();
  }
}

function stat(path: string): DiskStat | undefined {
  try {
    const info = Deno.statSync(path);
    return {
      size: info.size,
      mtimeMs: info.mtime?.getTime() ?? 0,
      isDirectory: info.isDirectory,
    };
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return undefined;
    throw failed("stat", path, error);
  }
}

function remove(path: string, recursive: boolean): void {
  try {
    Deno.removeSync(path, { recursive });
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return;
    throw failed("remove", path, error);
  }
}

/** Directories can't be synced on Windows, where renames are journalled. */
function syncDirectory(path: string): void {
  if (Deno.build.os === "windows") return;
  attempt("sync folder", path, () => {
    using folder = Deno.openSync(path, { read: true });
    folder.syncSync();
  });
}

async function syncDirectoryLater(path: string): Promise<void> {
  if (Deno.build.os === "windows") return;
  try {
    using folder = await Deno.open(path, { read: true });
    await folder.sync();
  } catch (error) {
    throw failed("sync folder", path, error);
  }
}

/** The kernel drops the lock with the process, however it ends. */
function lock(path: string): { release(): void } | undefined {
  const file = attempt(
    "open lock",
    path,
    () => Deno.openSync(path, { read: true, write: true, create: true }),
  );
  if (!file.tryLockSync(true)) {
    file.close();
    return undefined;
  }
  let isHeld = true;
  return {
    release() {
      if (!isHeld) return;
      isHeld = false;
      file.unlockSync();
      file.close();
    },
  };
}

function list(path: string): DiskEntry[] {
  return attempt(
    "list",
    path,
    () =>
      Array.from(Deno.readDirSync(path), ({ name, isDirectory }) => ({
        name,
        isDirectory,
      })),
  );
}

function denoDisk(): Disk {
  return {
    open: (path, mode) => new DenoFile(path, mode),
    readFile: (path) => attempt("read", path, () => Deno.readFileSync(path)),
    list,
    stat,
    mkdir: (path) =>
      attempt("create", path, () => Deno.mkdirSync(path, { recursive: true })),
    rename: (from, to) =>
      attempt("rename", from, () => Deno.renameSync(from, to)),
    unlink: (path) => remove(path, false),
    removeDirectory: (path) => remove(path, true),
    syncDirectory,
    syncDirectoryLater,
    lock,
  };
}
