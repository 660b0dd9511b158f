/**
 * The disk of one simulated machine. It outlives the processes that use it.
 * Owns faults: crashes at any call, before or after it, writes that stop
 * halfway, a disk that is full, reads and syncs that fail, slow syncs. It must
 * never lose what was synced.
 *
 * @module
 */
import {
  type Disk,
  type DiskEntry,
  DiskError,
  type DiskErrorCode,
  type DiskFile,
  type OpenMode,
} from "../../core/env/env.ts";
import type { Chance } from "./chance.ts";
import { FileNode, FolderNode, type Node } from "./files.ts";
import { type Death, Killed, type SimProcess } from "./process.ts";

/** What the disk does wrong at present. */
export interface DiskFaults {
  /** How long a sync takes, usually and at worst. */
  syncMs: readonly [number, number];
  /** Writes fail as on a full disk. */
  isFull: boolean;
  /** Probability that a write or a read fails. */
  errorRate: number;
  /** Probability that a sync fails; the machine is done for then. */
  syncErrorRate: number;
  /** A topic of which no new partition's folder can be made. */
  refusedTopic: string | undefined;
}

export const HEALTHY: DiskFaults = {
  syncMs: [1, 20],
  isFull: false,
  errorRate: 0,
  syncErrorRate: 0,
  refusedTopic: undefined,
};

/** The disk of a machine. */
export class SimDisk {
  readonly root = new FolderNode();
  readonly chance: Chance;
  faults: DiskFaults = { ...HEALTHY };
  /** Whether a fault was met since this was last set to false. */
  hasFailed = false;
  #crashIn = 0;
  #crash: Death = "killed";
  #lockedBy = new Map<string, SimProcess>();

  constructor(chance: Chance) {
    this.chance = chance;
  }

  /** The process that makes the `calls`-th call from now on dies of it. */
  crashIn(calls: number, death: Death): void {
    this.#crashIn = calls;
    this.#crash = death;
  }

  /** How whoever calls next, or soon, dies of it; undefined: nobody does. */
  get pendingDeath(): Death | undefined {
    return this.#crashIn > 0 ? this.#crash : undefined;
  }

  /** Whether it fails what is asked of it, or did. */
  get isFailing(): boolean {
    return this.hasFailed || this.faults.isFull || this.faults.errorRate > 0;
  }

  /** The machine lost power: the page cache is gone. */
  losePower(): void {
    this.root.losePower(this.chance);
  }

  /** The disk as a process sees it. */
  mount(process: SimProcess): Disk {
    const mounted = new MountedDisk(this, process);
    // As the real one: an object that may be taken apart.
    return {
      open: (path, mode) => mounted.open(path, mode),
      readFile: (path) => mounted.readFile(path),
      list: (path) => mounted.list(path),
      stat: (path) => mounted.stat(path),
      mkdir: (path) => mounted.mkdir(path),
      rename: (from, to) => mounted.rename(from, to),
      unlink: (path) => mounted.unlink(path),
      removeDirectory: (path) => mounted.removeDirectory(path),
      syncDirectory: (path) => mounted.syncDirectory(path),
      syncDirectoryLater: (path) => mounted.syncDirectoryLater(path),
      lock: (path) => mounted.lock(path),
    };
  }

  /** Every call passes here twice: before it is done, and after. */
  step(process: SimProcess): void {
    process.called();
    if (!process.isAlive) throw new Killed();
    if (this.#crashIn === 0 || --this.#crashIn > 0) return;
    process.die(this.#crash);
    throw new Killed();
  }

  /** A sync failed: the machine does not live long. */
  syncFailed(process: SimProcess): void {
    this.hasFailed = true;
    const ms = this.chance.unit() * 50;
    process.scheduler.after(ms, () => process.die("power lost"), process);
  }

  lock(path: string, process: SimProcess): { release(): void } | undefined {
    if (this.#lockedBy.get(path)?.isAlive) return undefined;
    this.#lockedBy.set(path, process);
    return { release: () => this.#lockedBy.delete(path) };
  }
}

class MountedDisk implements Disk {
  readonly #disk: SimDisk;
  readonly #process: SimProcess;

  constructor(disk: SimDisk, process: SimProcess) {
    this.#disk = disk;
    this.#process = process;
  }

  open(path: string, mode: OpenMode): DiskFile {
    return this.#call("open", path, () => {
      const { folder, name } = this.#place(path);
      let node = folder.entries.get(name);
      if (node === undefined) {
        if (mode !== "create") throw failure("NotFound", "open", path);
        node = new FileNode();
        node.mtimeMs = this.#wallMs();
        folder.add(name, node);
      }
      if (!(node instanceof FileNode)) throw failure("Io", "open", path);
      return new MountedFile(path, {
        node,
        disk: this.#disk,
        process: this.#process,
      });
    });
  }

  readFile(path: string): Uint8Array<ArrayBuffer> {
    return this.#call("readFile", path, () => {
      const node = this.#find(path);
      if (node === undefined) throw failure("NotFound", "read", path);
      if (!(node instanceof FileNode)) throw failure("Io", "read", path);
      return node.content();
    });
  }

  list(path: string): DiskEntry[] {
    return this.#call(
      "list",
      path,
      () =>
        Array.from(this.#folder(path).entries, ([name, node]) => ({
          name,
          isDirectory: node instanceof FolderNode,
        })),
    );
  }

  stat(path: string) {
    return this.#call("stat", path, () => {
      const node = this.#find(path);
      if (node === undefined) return undefined;
      const isDirectory = node instanceof FolderNode;
      return isDirectory
        ? { size: 4096, mtimeMs: 0, isDirectory }
        : { size: node.size, mtimeMs: node.mtimeMs, isDirectory };
    });
  }

  mkdir(path: string): void {
    this.#call("mkdir", path, () => {
      let folder = this.#disk.root;
      for (const name of partsOf(path)) {
        let next = folder.entries.get(name);
        if (next === undefined) {
          this.#maybeRefuse(name, path);
          folder.add(name, next = new FolderNode());
        }
        if (!(next instanceof FolderNode)) throw failure("Io", "create", path);
        folder = next;
      }
    });
  }

  #maybeRefuse(name: string, path: string): void {
    const { refusedTopic } = this.#disk.faults;
    if (refusedTopic === undefined || !name.startsWith(`${refusedTopic}-`)) {
      return;
    }
    this.#disk.hasFailed = true;
    throw failure("Io", "create", path);
  }

  rename(from: string, to: string): void {
    this.#call("rename", `${from} → ${to}`, () => {
      const source = this.#place(from);
      const target = this.#place(to);
      const node = source.folder.entries.get(source.name);
      if (node === undefined) throw failure("NotFound", "rename", from);
      if (source.folder === target.folder) {
        source.folder.rename(source.name, target.name);
      } else {
        target.folder.add(target.name, node);
        source.folder.remove(source.name);
      }
    });
  }

  unlink(path: string): void {
    this.#call("unlink", path, () => {
      if (this.#find(path) === undefined) return;
      const { folder, name } = this.#place(path);
      folder.remove(name);
    });
  }

  removeDirectory(path: string): void {
    const node = this.#find(path);
    if (node === undefined) return;
    if (node instanceof FolderNode) {
      for (const name of [...node.entries.keys()]) {
        this.removeDirectory(`${path}/${name}`);
      }
    }
    this.unlink(path);
  }

  syncDirectory(path: string): void {
    this.#call("syncDirectory", path, () => {
      this.#endSync(path, this.#folder(path).beginSync());
    });
  }

  syncDirectoryLater(path: string): Promise<void> {
    const { scheduler } = this.#process;
    const { chance, faults } = this.#disk;
    const [usual, worst] = faults.syncMs;
    const later = Promise.withResolvers<void>();
    const end = this.#call(
      "syncDirectory",
      path,
      () => this.#folder(path).beginSync(),
    );
    scheduler.after(chance.delayMs(usual, worst), () => {
      try {
        this.#endSync(path, end);
        later.resolve();
      } catch (error) {
        if (this.#process.isAlive) later.reject(error);
      }
    }, this.#process);
    return later.promise;
  }

  #endSync(path: string, end: () => void): void {
    if (this.#disk.chance.odds(this.#disk.faults.syncErrorRate)) {
      this.#disk.syncFailed(this.#process);
      throw failure("Io", "sync folder", path);
    }
    end();
  }

  lock(path: string): { release(): void } | undefined {
    return this.#call(
      "lock",
      path,
      () => this.#disk.lock(path, this.#process),
    );
  }

  #call<T>(name: string, path: string, fn: () => T): T {
    this.#disk.step(this.#process);
    this.#process.scheduler.note(`${this.#process.name} ${name} ${path}`);
    const result = fn();
    this.#disk.step(this.#process);
    return result;
  }

  #wallMs(): number {
    return this.#process.scheduler.nowMs;
  }

  #find(path: string): Node | undefined {
    let node: Node = this.#disk.root;
    for (const name of partsOf(path)) {
      if (!(node instanceof FolderNode)) return undefined;
      const next = node.entries.get(name);
      if (next === undefined) return undefined;
      node = next;
    }
    return node;
  }

  #folder(path: string): FolderNode {
    const node = this.#find(path);
    if (node instanceof FolderNode) return node;
    throw failure(node === undefined ? "NotFound" : "Io", "list", path);
  }

  #place(path: string): { folder: FolderNode; name: string } {
    const at = path.lastIndexOf("/");
    return {
      folder: this.#folder(path.slice(0, at)),
      name: path.slice(at + 1),
    };
  }
}

interface Opened {
  readonly node: FileNode;
  readonly disk: SimDisk;
  readonly process: SimProcess;
}

class MountedFile implements DiskFile {
  readonly path: string;
  readonly #node: FileNode;
  readonly #disk: SimDisk;
  readonly #process: SimProcess;
  #isOpen = true;

  constructor(path: string, { node, disk, process }: Opened) {
    this.path = path;
    this.#node = node;
    this.#disk = disk;
    this.#process = process;
  }

  pread(into: Uint8Array, position: number): number {
    return this.#call("read", () => {
      this.#maybeFail("read");
      return this.#node.read(into, position);
    });
  }

  pwriteAll(bytes: Uint8Array, position: number): void {
    this.#disk.step(this.#process);
    this.#checkOpen("write");
    const { chance, faults } = this.#disk;
    const isCut = faults.isFull || chance.odds(faults.errorRate);
    // Also a crash may find the write half done.
    const n = isCut ? chance.int(0, bytes.length - 1) : bytes.length;
    this.#note("write", `${position}+${n}`);
    this.#node.mtimeMs = this.#process.scheduler.nowMs;
    const half = chance.int(0, n);
    this.#node.write(bytes.subarray(0, half), position);
    this.#disk.step(this.#process);
    this.#node.write(bytes.subarray(half, n), position + half);
    if (isCut) {
      this.#disk.hasFailed = true;
      throw failure(faults.isFull ? "NoSpace" : "Io", "write", this.path);
    }
    this.#disk.step(this.#process);
  }

  syncData(): Promise<void> {
    const { scheduler } = this.#process;
    const { chance, faults } = this.#disk;
    const [usual, worst] = faults.syncMs;
    const later = Promise.withResolvers<void>();
    const end = this.#call("sync", () => this.#node.beginSync());
    scheduler.after(chance.delayMs(usual, worst), () => {
      try {
        if (!this.#isOpen) throw failure("Io", "sync", this.path);
        this.#endSync(end);
        later.resolve();
      } catch (error) {
        if (this.#process.isAlive) later.reject(error);
      }
    }, this.#process);
    return later.promise;
  }

  syncDataSync(): void {
    this.#call("sync", () => this.#endSync(this.#node.beginSync()));
  }

  truncate(size: number): void {
    this.#call("truncate", () => this.#node.truncate(size));
  }

  size(): number {
    return this.#call("size", () => this.#node.size);
  }

  close(): void {
    this.#isOpen = false;
  }

  #endSync(end: () => void): void {
    const { chance, faults } = this.#disk;
    if (chance.odds(faults.syncErrorRate)) {
      this.#disk.syncFailed(this.#process);
      throw failure("Io", "sync", this.path);
    }
    end();
    this.#note("synced", "");
  }

  #maybeFail(what: string): void {
    const { chance, faults } = this.#disk;
    if (!chance.odds(faults.errorRate)) return;
    this.#disk.hasFailed = true;
    throw failure("Io", what, this.path);
  }

  #call<T>(name: string, fn: () => T): T {
    this.#disk.step(this.#process);
    this.#checkOpen(name);
    this.#note(name, "");
    const result = fn();
    this.#disk.step(this.#process);
    return result;
  }

  #checkOpen(what: string): void {
    if (!this.#isOpen) throw failure("Io", what, `${this.path} (closed)`);
  }

  #note(name: string, more: string): void {
    this.#process.scheduler.note(
      `${this.#process.name} ${name} ${this.path} ${more}`,
    );
  }
}

function partsOf(path: string): string[] {
  return path.split("/").filter((part) => part !== "" && part !== ".");
}

function failure(
  code: DiskErrorCode,
  what: string,
  path: string,
): DiskError {
  return new DiskError(code, `Cannot ${what} "${path}": simulated ${code}`);
}
