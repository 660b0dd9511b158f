/**
 * Files and folders of a simulated disk: what the page cache shows, and apart
 * from it what the medium holds. Owns what a power loss leaves behind: any part
 * of the pages that weren't synced, torn within a page, and any part of what
 * was created, renamed or removed in a folder that wasn't synced.
 *
 * @module
 */
import type { Chance } from "./chance.ts";

const PAGE_BYTES = 4096;
const SECTOR_BYTES = 512;

/** Bytes that grow. */
interface Content {
  bytes: Uint8Array<ArrayBuffer>;
  size: number;
}

/** A page as it was when a sync began. */
interface TakenPage {
  readonly page: number;
  /** Which write it holds. */
  readonly write: number;
  readonly bytes: Uint8Array;
}

/** One file: contents and what of them is durable. */
export class FileNode {
  readonly #shown: Content = { bytes: new Uint8Array(0), size: 0 };
  #durable: Content = { bytes: new Uint8Array(0), size: 0 };
  /** Syncs that have begun, and the latest one that has ended. */
  #syncs = 0;
  #lastSync = 0;
  /** Pages that differ from the medium, and which write each was last in. */
  readonly #dirty = new Map<number, number>();
  #writes = 0;
  /** What syncs that are under way write. */
  readonly #taken = new Set<readonly TakenPage[]>();
  mtimeMs = 0;

  get size(): number {
    return this.#shown.size;
  }

  /** Copies what lies at `position`; bytes copied. */
  read(into: Uint8Array, position: number): number {
    const { bytes, size } = this.#shown;
    const n = Math.max(0, Math.min(into.length, size - position));
    into.set(bytes.subarray(position, position + n));
    return n;
  }

  /** All of it. */
  content(): Uint8Array<ArrayBuffer> {
    return this.#shown.bytes.slice(0, this.size);
  }

  /** What of it the medium holds. */
  durable(): Uint8Array<ArrayBuffer> {
    return this.#durable.bytes.slice(0, this.#durable.size);
  }

  write(bytes: Uint8Array, position: number): void {
    const end = position + bytes.length;
    grow(this.#shown, end);
    this.#shown.bytes.set(bytes, position);
    this.#shown.size = Math.max(this.size, end);
    this.#touch(position, end);
  }

  truncate(size: number): void {
    grow(this.#shown, size);
    if (size < this.size) this.#shown.bytes.fill(0, size, this.size);
    this.#touch(Math.min(size, this.size), Math.max(size, this.size));
    this.#shown.size = size;
  }

  /** Inverts one bit, on the medium, on the way there, and in what is shown. */
  flip(position: number, bit: number): void {
    this.#shown.bytes[position]! ^= 1 << bit;
    if (position < this.#durable.size) {
      this.#durable.bytes[position]! ^= 1 << bit;
    }
    for (const { page, bytes } of [...this.#taken].flat()) {
      const at = position - page * PAGE_BYTES;
      if (at >= 0 && at < bytes.length) bytes[at]! ^= 1 << bit;
    }
  }

  /** Begins a sync of what is there now; the result makes it durable. */
  beginSync(): () => void {
    const { size } = this;
    const number = ++this.#syncs;
    const pages = Array.from(this.#dirty, ([page, write]): TakenPage => ({
      page,
      write,
      bytes: this.#page(page),
    }));
    this.#taken.add(pages);
    return () => {
      this.#taken.delete(pages);
      // A later one that has ended made all of this durable, or what came after.
      if (number < this.#lastSync) return;
      this.#lastSync = number;
      grow(this.#durable, size);
      if (size < this.#durable.size) {
        this.#durable.bytes.fill(0, size, this.#durable.size);
      }
      this.#durable.size = size;
      for (const { page, write, bytes } of pages) {
        const room = size - page * PAGE_BYTES;
        if (room > 0) {
          this.#durable.bytes.set(bytes.subarray(0, room), page * PAGE_BYTES);
        }
        if (this.#dirty.get(page) === write) this.#dirty.delete(page);
      }
    };
  }

  /** The machine lost power: what the medium happened to get stays. */
  losePower(chance: Chance): void {
    const { size: before } = this.#durable;
    const kept = chance.pick([0, 0.5, 0.9, 1]);
    const isSizeKept = before === this.size || chance.odds(kept);
    const size = isSizeKept ? this.size : before;
    const content: Content = { bytes: new Uint8Array(size), size };
    const known = Math.min(size, before);
    content.bytes.set(this.#durable.bytes.subarray(0, known));
    for (const page of [...this.#dirty.keys()].sort((a, b) => a - b)) {
      if (!chance.odds(kept)) continue;
      const isTorn = chance.odds(0.2);
      const bytes = this.#page(page);
      for (let at = 0; at < bytes.length; at += SECTOR_BYTES) {
        const position = page * PAGE_BYTES + at;
        if (position >= size || isTorn && chance.odds(0.5)) continue;
        content.bytes.set(
          bytes.subarray(at, Math.min(at + SECTOR_BYTES, at + size - position)),
          position,
        );
      }
    }
    this.#durable = content;
    this.#shown.bytes = content.bytes.slice();
    this.#shown.size = size;
    this.#dirty.clear();
    this.#taken.clear();
  }

  #page(page: number): Uint8Array {
    const from = page * PAGE_BYTES;
    return this.#shown.bytes.slice(
      from,
      Math.min(from + PAGE_BYTES, this.size),
    );
  }

  #touch(from: number, to: number): void {
    const write = ++this.#writes;
    const last = Math.floor(Math.max(from, to - 1) / PAGE_BYTES);
    for (let page = Math.floor(from / PAGE_BYTES); page <= last; page++) {
      this.#dirty.set(page, write);
    }
  }
}

/** What changed in a folder since its last sync. */
interface Change {
  readonly removed: string | undefined;
  readonly added: readonly [string, Node] | undefined;
}

export type Node = FileNode | FolderNode;

/** One folder: entries and what of them is durable. */
export class FolderNode {
  readonly #shown = new Map<string, Node>();
  readonly #durable = new Map<string, Node>();
  #changes: Change[] = [];

  get entries(): ReadonlyMap<string, Node> {
    return this.#shown;
  }

  /** What of them the medium holds. */
  get durable(): ReadonlyMap<string, Node> {
    return this.#durable;
  }

  add(name: string, node: Node): void {
    this.#change({ removed: undefined, added: [name, node] });
  }

  remove(name: string): void {
    this.#change({ removed: name, added: undefined });
  }

  /** Within the folder: both or neither. */
  rename(from: string, to: string): void {
    const node = this.#shown.get(from)!;
    this.#change({ removed: from, added: [to, node] });
  }

  /** What is called makes durable what was done until now. */
  beginSync(): () => void {
    const last = this.#changes.at(-1);
    return () => {
      const count = last === undefined ? 0 : this.#changes.indexOf(last) + 1;
      for (const change of this.#changes.splice(0, count)) {
        apply(this.#durable, change);
      }
    };
  }

  /** The machine lost power: a beginning, or any part, of the changes stays. */
  losePower(chance: Chance): void {
    const changes = this.#changes;
    this.#changes = [];
    if (chance.odds(0.5)) {
      const count = chance.int(0, changes.length);
      for (const change of changes.slice(0, count)) {
        apply(this.#durable, change);
      }
    } else {
      const kept = chance.unit();
      for (const change of changes) {
        if (chance.odds(kept)) apply(this.#durable, change);
      }
    }
    this.#shown.clear();
    for (const [name, node] of this.#durable) this.#shown.set(name, node);
    for (const node of this.#shown.values()) node.losePower(chance);
  }

  #change(change: Change): void {
    this.#changes.push(change);
    apply(this.#shown, change);
  }
}

function apply(entries: Map<string, Node>, { removed, added }: Change): void {
  if (removed !== undefined) entries.delete(removed);
  if (added !== undefined) entries.set(...added);
}

function grow(content: Content, size: number): void {
  if (content.bytes.length >= size) return;
  const bytes = new Uint8Array(Math.max(size, content.bytes.length * 2, 512));
  bytes.set(content.bytes.subarray(0, content.size));
  content.bytes = bytes;
}
