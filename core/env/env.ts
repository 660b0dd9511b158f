/**
 * The seams through which the outside world enters: time, chance, hashes, disk,
 * trace and background tasks, as interfaces only. Nothing here may name Deno; the
 * real ones are made in `deno_env.ts`.
 *
 * @module
 */

/** Ends a timer. Calling it again does nothing. */
export type Cancel = () => void;

/** Time. Wall time may jump; monotonic time never goes back. */
export interface Clock {
  /** Milliseconds since the Unix epoch, an integer. */
  wallMs(): number;
  /** Milliseconds since an arbitrary start; never goes back. */
  monoMs(): number;
  /** Resolves after `ms`; rejects with the signal's reason when aborted. */
  sleep(ms: number, signal?: AbortSignal): Promise<void>;
  /** Calls `fn` once after `ms`. */
  timer(ms: number, fn: () => void): Cancel;
  /** Calls `fn` once when the current turn of the event loop has settled. */
  endOfTurn(fn: () => void): void;
}

/** Chance. */
export interface Random {
  /** A uniform unsigned 32-bit integer. */
  u32(): number;
  /** `n` random bytes, fit for secrets in the real one. */
  bytes(n: number): Uint8Array<ArrayBuffer>;
}

/** Hash functions by their names. */
export type HashName = "SHA-256" | "SHA-512";

/** What credentials are made of. */
export interface Hashes {
  /** The hash of `bytes`. */
  digest(hash: HashName, bytes: Uint8Array): Promise<Uint8Array>;
  /** The keyed hash of `bytes`; an empty key is refused. */
  hmac(
    hash: HashName,
    input: { readonly key: Uint8Array; readonly bytes: Uint8Array },
  ): Promise<Uint8Array>;
}

/** An open file. Reads and writes are positional and synchronous. */
export interface DiskFile {
  /** The path that it was opened with. */
  readonly path: string;
  /** Fills `into` from `position` as far as the file reaches; returns bytes read. */
  pread(into: Uint8Array, position: number): number;
  /** Writes all of `bytes` at `position`, or throws {@linkcode DiskError}. */
  pwriteAll(bytes: Uint8Array, position: number): void;
  /** Makes the file's bytes and size durable. */
  syncData(): Promise<void>;
  /** The same, blocking: for start-up, shutdown and small checkpoint files. */
  syncDataSync(): void;
  /** Cuts or extends (with zeros) the file to `size` bytes. */
  truncate(size: number): void;
  /** Size in bytes. */
  size(): number;
  /** Closes the handle. Calling it again does nothing. */
  close(): void;
}

/** How {@linkcode Disk.open} opens: `create` opens read-write and creates if missing. */
export type OpenMode = "read" | "write" | "create";

/** One entry of a directory. */
export interface DiskEntry {
  /** Name without the directory. */
  readonly name: string;
  /** Whether it is a directory. */
  readonly isDirectory: boolean;
}

/** What {@linkcode Disk.stat} tells of a path. */
export interface DiskStat {
  /** Bytes. */
  readonly size: number;
  /** Last change, milliseconds since the Unix epoch. */
  readonly mtimeMs: number;
  /** Whether it is a directory. */
  readonly isDirectory: boolean;
}

/** Why a disk call failed, in the words that the broker acts on. */
export type DiskErrorCode =
  | "NotFound"
  | "Exists"
  | "NoSpace"
  | "ReadOnly"
  | "Denied"
  | "TooManyFiles"
  | "Io";

/** A failed disk call: what failed, on which path, and why. */
export class DiskError extends Error {
  override readonly name = "DiskError";
  constructor(
    readonly code: DiskErrorCode,
    message: string,
    options?: ErrorOptions,
  ) {
    super(message, options);
  }
}

/** A disk. All paths are absolute or relative to the process, joined with `/`. */
export interface Disk {
  open(path: string, mode: OpenMode): DiskFile;
  /** Whole content; {@linkcode DiskError} `NotFound` when missing. */
  readFile(path: string): Uint8Array<ArrayBuffer>;
  list(path: string): DiskEntry[];
  /** `undefined` when there is no such path. */
  stat(path: string): DiskStat | undefined;
  /** Creates the directory and its parents; existing ones are fine. */
  mkdir(path: string): void;
  rename(from: string, to: string): void;
  /** Removes one file; a missing one is fine. */
  unlink(path: string): void;
  /** Removes a directory and all in it; a missing one is fine. */
  removeDirectory(path: string): void;
  /** Makes creates, renames and unlinks in the directory durable. */
  syncDirectory(path: string): void;
  /** The same for what was done before the call, without blocking. */
  syncDirectoryLater(path: string): Promise<void>;
  /** Takes an exclusive lock for the life of the process, or returns undefined when another holds it. */
  lock(path: string): { release(): void } | undefined;
}

/** Levels of what is printed for operators. */
export type TraceLevel = "debug" | "info" | "warn" | "error";

/** What is printed for operators ("log" is the append log). */
export interface Trace {
  /** `event` is one sentence; `fields` are named values behind it. */
  (level: TraceLevel, event: string, fields?: Record<string, unknown>): void;
}

/** Background work without floating promises: a crash is traced and handed on. */
export interface Tasks {
  /** Runs `fn`; its rejection never escapes, it is traced with `name`. */
  spawn(name: string, fn: () => Promise<void>): void;
  /** Resolves when everything spawned so far has ended. */
  settled(): Promise<void>;
}

/** What this process uses of the machine. */
export interface ProcessUsage {
  /** Seconds since the Unix epoch. */
  readonly startedAtSeconds: number;
  /** Processor time, of system calls too. */
  readonly cpuSeconds: number;
  /** Memory that is in RAM. */
  readonly residentBytes: number;
  /** Memory of live objects and garbage. */
  readonly heapBytes: number;
}

/** All seams in one. */
export interface Env {
  readonly clock: Clock;
  readonly random: Random;
  readonly hashes: Hashes;
  readonly disk: Disk;
  readonly trace: Trace;
  readonly tasks: Tasks;
}
