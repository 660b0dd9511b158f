/**
 * A disk that keeps a bounded number of files open, whatever number of them is
 * in use: a handle gives way to another one, and comes back with the next use.
 * Owns which handle goes. It must never lose the need for a sync: a file that
 * was written is synced before its handle goes. A new handle could sync the
 * same pages, but a write-back that failed in between may be told to nobody.
 *
 * @module
 */
import {
  type Disk,
  DiskError,
  type DiskFile,
  type OpenMode,
} from "../env/env.ts";
import { invariant } from "../invariant.ts";

/** `disk`, with at most `filesMax` of its files open. */
export function withOpenFilesMax(disk: Disk, filesMax: number): Disk {
  const open = new OpenFiles(disk, filesMax);
  return { ...disk, open: (path, mode) => new SharingFile(open, path, mode) };
}

/**
 * The files that are open.
 *
 * Invariants:
 * 1. `#files` is sorted by last use, oldest first.
 * 2. No more than half of `filesMax` are being synced, which keeps them open.
 */
class OpenFiles {
  readonly #disk: Disk;
  readonly #filesMax: number;
  readonly #files = new Set<SharingFile>();
  #latest: SharingFile | undefined;
  #syncs = 0;
  /** Syncs that wait until another one has ended. */
  readonly #waiting: (() => void)[] = [];

  constructor(disk: Disk, filesMax: number) {
    this.#disk = disk;
    this.#filesMax = filesMax;
  }

  /** Opens the file behind `file`, closing others as long as there is no room. */
  open(file: SharingFile, mode: OpenMode): DiskFile {
    while (this.#files.size >= this.#filesMax && this.#closeOne());
    for (;;) {
      try {
        const opened = this.#disk.open(file.path, mode);
        this.used(file);
        return opened;
      } catch (error) {
        // Somebody else took what the system allows, connections for example.
        const isFull = error instanceof DiskError &&
          error.code === "TooManyFiles";
        if (!isFull || !this.#closeOne()) throw error;
      }
    }
  }

  used(file: SharingFile): void {
    if (file === this.#latest) return;
    this.#files.delete(file);
    this.#files.add(file);
    this.#latest = file;
  }

  forget(file: SharingFile): void {
    this.#files.delete(file);
    if (file === this.#latest) this.#latest = undefined;
  }

  /** Runs `sync` when there is room for one more that keeps its handle. */
  async sync(sync: () => Promise<void>): Promise<void> {
    if (this.#syncs < Math.max(1, this.#filesMax >> 1)) this.#syncs++;
    else await new Promise<void>((resolve) => this.#waiting.push(resolve));
    try {
      await sync();
    } finally {
      const next = this.#waiting.shift();
      if (next === undefined) this.#syncs--;
      else next();
    }
  }

  /** Closes what was not used for the longest time, unsynced files last. */
  #closeOne(): boolean {
    let unsynced: SharingFile | undefined;
    for (const file of this.#files) {
      if (file.isBusy) continue;
      if (!file.isUnsynced) {
        file.giveWay();
        return true;
      }
      unsynced ??= file;
    }
    unsynced?.giveWay();
    return unsynced !== undefined;
  }
}

/**
 * A file whose handle may be closed between two uses.
 *
 * Invariants:
 * 1. Without a handle there is nothing to sync, so that a sync needs none: the
 *    file may have another name by then.
 * 2. After a failed sync nothing is written or synced any more.
 */
class SharingFile implements DiskFile {
  readonly path: string;
  readonly #open: OpenFiles;
  /** Once it is there it is not created again: it may have been renamed. */
  readonly #mode: OpenMode;
  #handle: DiskFile | undefined;
  /** Changes so far, and those that the last good sync covers. */
  #changes: number;
  #syncedChanges = 0;
  #syncs = 0;
  #failure: { readonly error: unknown } | undefined;
  #isClosed = false;

  constructor(open: OpenFiles, path: string, mode: OpenMode) {
    this.path = path;
    this.#open = open;
    this.#mode = mode === "read" ? "read" : "write";
    // What another process wrote before a crash may not be synced either.
    this.#changes = mode === "read" ? 0 : 1;
    this.#handle = open.open(this, mode);
  }

  /** Whether a sync is in flight, which closing the handle would fail. */
  get isBusy(): boolean {
    return this.#syncs > 0;
  }

  get isUnsynced(): boolean {
    return this.#changes > this.#syncedChanges;
  }

  pread(into: Uint8Array, position: number): number {
    return this.#use().pread(into, position);
  }

  pwriteAll(bytes: Uint8Array, position: number): void {
    this.#change((handle) => handle.pwriteAll(bytes, position));
  }

  truncate(size: number): void {
    this.#change((handle) => handle.truncate(size));
  }

  size(): number {
    return this.#use().size();
  }

  syncData(): Promise<void> {
    return this.#open.sync(() => this.#sync());
  }

  syncDataSync(): void {
    const handle = this.#toSync();
    if (handle === undefined) return;
    try {
      handle.syncDataSync();
      this.#syncedChanges = this.#changes;
    } catch (error) {
      throw this.#failed(error);
    }
  }

  close(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#drop();
  }

  /** Closes the handle, synced. A failure is told by the next write or sync. */
  giveWay(): void {
    try {
      if (this.isUnsynced) this.syncDataSync();
    } catch {
      // `#failure` has it.
    }
    this.#drop();
  }

  async #sync(): Promise<void> {
    const handle = this.#toSync();
    if (handle === undefined) return;
    const changes = this.#changes;
    this.#syncs++;
    try {
      await handle.syncData();
      this.#syncedChanges = Math.max(this.#syncedChanges, changes);
    } catch (error) {
      throw this.#failed(error);
    } finally {
      this.#syncs--;
    }
  }

  #drop(): void {
    this.#open.forget(this);
    this.#handle?.close();
    this.#handle = undefined;
  }

  #use(): DiskFile {
    invariant(!this.#isClosed, `${this.path} is open`);
    if (this.#handle === undefined) {
      this.#handle = this.#open.open(this, this.#mode);
    } else this.#open.used(this);
    return this.#handle;
  }

  #change(change: (handle: DiskFile) => void): void {
    if (this.#failure !== undefined) throw this.#failure.error;
    const handle = this.#use();
    // Counted before: what failed may have been written in part.
    this.#changes++;
    change(handle);
  }

  #toSync(): DiskFile | undefined {
    invariant(!this.#isClosed, `${this.path} is open`);
    if (this.#failure !== undefined) throw this.#failure.error;
    return this.#handle;
  }

  #failed(error: unknown): unknown {
    this.#failure ??= { error };
    return error;
  }
}
