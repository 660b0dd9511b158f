/**
 * A disk in memory that crashes at a chosen step. What was not made durable
 * is lost as far as chance wills: of each file's bytes the synced ones or all,
 * of the changes to folders since their last sync the first few, or any.
 *
 * @module
 */
import {
  type Disk,
  type DiskEntry,
  DiskError,
  type DiskFile,
  type DiskStat,
  type OpenMode,
} from "../../core/env/env.ts";

/** Thrown by the step at which the disk crashes, and by all after it. */
export class Crash extends Error {
  override readonly name = "Crash";
}

interface Inode {
  bytes: Uint8Array<ArrayBuffer>;
  durable: Uint8Array<ArrayBuffer>;
}

/** A change to the names, until it is durable. */
interface Change {
  readonly folder: string;
  readonly apply: (names: Map<string, Inode>) => void;
}

/** The synced bytes, all, or some beyond the synced ones. */
function whatIsLeft(
  { bytes, durable }: Inode,
  choose: Choose,
): Uint8Array<ArrayBuffer> {
  if (bytes.length <= durable.length) return choose(2) === 0 ? durable : bytes;
  const more = choose(2) === 0 ? 0 : bytes.length - durable.length;
  return bytes.slice(0, durable.length + choose(more + 1));
}

/** An integer in [0, below). */
export type Choose = (below: number) => number;

/** See the file's head. */
export class CrashDisk implements Disk {
  /** Steps that changed something so far. */
  steps = 0;
  /** The step that crashes instead of being done. */
  crashAt = Infinity;
  /** What a step other than a crash fails with, and which. */
  failure: { readonly at: number; readonly error: Error } | undefined;
  #names = new Map<string, Inode>();
  #durable = new Map<string, Inode>();
  #changes: Change[] = [];

  /** What the machine finds when it comes up again. */
  crashed(
    choose: Choose,
    options: { readonly keepsOrder?: boolean } = {},
  ): CrashDisk {
    const next = new CrashDisk();
    const names = new Map(this.#durable);
    for (const { apply } of this.#survivors(choose, options)) apply(names);
    for (const [path, inode] of names) {
      const bytes = whatIsLeft(inode, choose);
      const copy = { bytes: bytes.slice(), durable: bytes.slice() };
      next.#names.set(path, copy);
      next.#durable.set(path, copy);
    }
    return next;
  }

  /** A journal keeps the order of changes; some file systems have none. */
  #survivors(
    choose: Choose,
    { keepsOrder = true }: { readonly keepsOrder?: boolean },
  ): Change[] {
    return keepsOrder
      ? this.#changes.slice(0, choose(this.#changes.length + 1))
      : this.#changes.filter(() => choose(2) === 0);
  }

  /** The same disk, everything as it is and durable. */
  copy(): CrashDisk {
    const next = new CrashDisk();
    for (const [path, { bytes }] of this.#names) {
      const copy = { bytes: bytes.slice(), durable: bytes.slice() };
      next.#names.set(path, copy);
      next.#durable.set(path, copy);
    }
    return next;
  }

  /** Sizes by path. */
  sizes(): Map<string, number> {
    const paths = [...this.#names.keys()].sort();
    return new Map(
      paths.map((path) => [path, this.#names.get(path)!.bytes.length]),
    );
  }

  open(path: string, mode: OpenMode): DiskFile {
    let found = this.#names.get(path);
    if (found === undefined) {
      if (mode !== "create") throw new DiskError("NotFound", `No ${path}`);
      const created = { bytes: new Uint8Array(0), durable: new Uint8Array(0) };
      this.#change(path, (names) => void names.set(path, created));
      found = created;
    }
    const inode = found;
    return {
      path,
      pread: (into, position) => {
        this.#checkUp();
        const bytes = inode.bytes.subarray(position, position + into.length);
        into.set(bytes);
        return bytes.length;
      },
      pwriteAll: (bytes, position) => {
        this.#step();
        const size = Math.max(inode.bytes.length, position + bytes.length);
        const grown = new Uint8Array(size);
        grown.set(inode.bytes);
        grown.set(bytes, position);
        inode.bytes = grown;
      },
      syncData: () => {
        this.#step();
        inode.durable = inode.bytes;
        return Promise.resolve();
      },
      syncDataSync: () => {
        this.#step();
        inode.durable = inode.bytes;
      },
      truncate: (size) => {
        this.#step();
        const cut = new Uint8Array(size);
        cut.set(inode.bytes.subarray(0, size));
        inode.bytes = cut;
      },
      size: () => inode.bytes.length,
      close: () => {},
    };
  }

  readFile(path: string): Uint8Array<ArrayBuffer> {
    this.#checkUp();
    const inode = this.#names.get(path);
    if (inode === undefined) throw new DiskError("NotFound", `No ${path}`);
    return inode.bytes.slice();
  }

  list(path: string): DiskEntry[] {
    this.#checkUp();
    const entries = new Map<string, boolean>();
    for (const name of this.#names.keys()) {
      if (!name.startsWith(`${path}/`)) continue;
      const [first, ...rest] = name.slice(path.length + 1).split("/");
      entries.set(first!, rest.length > 0);
    }
    return [...entries].map(([name, isDirectory]) => ({ name, isDirectory }));
  }

  stat(path: string): DiskStat | undefined {
    this.#checkUp();
    const size = this.#names.get(path)?.bytes.length;
    if (size !== undefined) return { size, mtimeMs: 0, isDirectory: false };
    // Folders are there as long as something is in them.
    const isFolder = path === "/" || this.list(path).length > 0;
    return isFolder ? { size: 0, mtimeMs: 0, isDirectory: true } : undefined;
  }

  mkdir(): void {
    this.#checkUp();
  }

  rename(from: string, to: string): void {
    if (!this.stat(from)) throw new DiskError("NotFound", `No ${from}`);
    this.#change(to, (names) => {
      // A folder goes with all that is in it.
      for (const [path, inode] of [...names]) {
        if (path !== from && !path.startsWith(`${from}/`)) continue;
        names.delete(path);
        names.set(to + path.slice(from.length), inode);
      }
    });
  }

  unlink(path: string): void {
    this.#checkUp();
    if (!this.#names.has(path)) return;
    this.#change(path, (names) => void names.delete(path));
  }

  removeDirectory(path: string): void {
    for (const { name } of this.list(path)) this.unlink(`${path}/${name}`);
  }

  syncDirectory(path: string): void {
    this.#step();
    // The journal keeps the order: what came before is durable, too.
    const last = this.#changes.findLastIndex(({ folder }) => folder === path);
    for (const { apply } of this.#changes.splice(0, last + 1)) {
      apply(this.#durable);
    }
  }

  // deno-lint-ignore require-await -- a crash must reject
  async syncDirectoryLater(path: string): Promise<void> {
    this.syncDirectory(path);
  }

  lock(): { release(): void } {
    return { release: () => {} };
  }

  #change(path: string, apply: Change["apply"]): void {
    this.#step();
    apply(this.#names);
    const folder = path.slice(0, path.lastIndexOf("/"));
    this.#changes.push({ folder, apply });
  }

  #step(): void {
    this.#checkUp();
    this.steps++;
    this.#checkUp();
    if (this.failure?.at === this.steps) throw this.failure.error;
  }

  #checkUp(): void {
    if (this.steps >= this.crashAt) throw new Crash(`at step ${this.crashAt}`);
  }
}
