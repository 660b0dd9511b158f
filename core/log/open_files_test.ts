/**
 * Handles that give way to each other: the bound, what is synced before it
 * goes, and what a failure in between means for whoever holds the file.
 *
 * @module
 */
import { assert, assertEquals, assertRejects, assertThrows } from "@std/assert";
import { denoEnv } from "../env/deno_env.ts";
import { type Disk, DiskError, type DiskFile } from "../env/env.ts";
import { withOpenFilesMax } from "./open_files.ts";

const ONE = Uint8Array.of(1);

/** The real disk, which says what is open and synced, and can be told to fail. */
class Watched {
  readonly disk: Disk;
  readonly open: string[] = [];
  readonly synced: string[] = [];
  failsSync: string | undefined;
  /** What a sync that isn't blocking waits for. */
  gate: Promise<void> = Promise.resolve();
  handlesMax = Infinity;

  constructor(readonly folder: string) {
    const { disk } = denoEnv();
    this.disk = {
      ...disk,
      open: (path, mode) => {
        if (this.open.length >= this.handlesMax) {
          throw new DiskError("TooManyFiles", "no handle is left");
        }
        const file = disk.open(path, mode);
        this.open.push(this.nameOf(path));
        return this.#watch(file);
      },
    };
  }

  nameOf(path: string): string {
    return path.slice(this.folder.length + 1);
  }

  #watch(file: DiskFile): DiskFile {
    const name = this.nameOf(file.path);
    const sync = () => {
      if (this.failsSync === name) throw new DiskError("Io", "bad disk");
      this.synced.push(name);
    };
    return {
      path: file.path,
      pread: (into, position) => file.pread(into, position),
      pwriteAll: (bytes, position) => file.pwriteAll(bytes, position),
      truncate: (size) => file.truncate(size),
      size: () => file.size(),
      syncDataSync: sync,
      syncData: async () => {
        await this.gate;
        sync();
      },
      close: () => {
        this.open.splice(this.open.indexOf(name), 1);
        file.close();
      },
    };
  }
}

/** Runs `test` on a disk with at most `filesMax` open files. */
async function watching(
  filesMax: number,
  test: (
    watched: Watched,
    open: (name: string) => DiskFile,
    disk: Disk,
  ) => Promise<void> | void,
): Promise<void> {
  const folder = Deno.makeTempDirSync({ prefix: "kf-open-" });
  const files: DiskFile[] = [];
  try {
    const watched = new Watched(folder);
    const disk = withOpenFilesMax(watched.disk, filesMax);
    const open = (name: string) => {
      const file = disk.open(`${folder}/${name}`, "create");
      files.push(file);
      return file;
    };
    await test(watched, open, disk);
    for (const file of files) file.close();
    assertEquals(watched.open, []);
  } finally {
    for (const file of files) file.close();
    Deno.removeSync(folder, { recursive: true });
  }
}

function firstByte(file: DiskFile): number {
  const into = new Uint8Array(1);
  file.pread(into, 0);
  return into[0]!;
}

Deno.test("any number of files is written and read with two of them open", () =>
  watching(2, (watched, open) => {
    const files = Array.from({ length: 9 }, (_, i) => open(`f${i}`));
    for (const [i, file] of files.entries()) {
      file.pwriteAll(Uint8Array.of(i), 0);
    }
    assertEquals(files.map(firstByte), [0, 1, 2, 3, 4, 5, 6, 7, 8]);
    assertEquals(watched.open.toSorted(), ["f7", "f8"]);
  }));

Deno.test("what was written is synced before its handle goes, and files that weren't go first", () =>
  watching(2, (watched, open, disk) => {
    const written = open("written");
    written.pwriteAll(ONE, 0);
    const read = disk.open(written.path, "read");
    assertEquals(firstByte(read), 1);
    const other = open("other");
    assertEquals(watched.open, ["written", "other"]);
    assertEquals(watched.synced, []);
    assertEquals(firstByte(read), 1);
    assertEquals(watched.open, ["other", "written"]);
    assertEquals(watched.synced, ["written"]);
    other.close();
    read.close();
    assertEquals(firstByte(written), 1);
  }));

Deno.test("a file without a handle needs no sync, whatever its name is by then", () =>
  watching(1, async (watched, open, disk) => {
    const file = open("a");
    file.pwriteAll(ONE, 0);
    open("b");
    assertEquals(watched.synced, ["a"]);
    disk.rename(file.path, `${file.path}.deleted`);
    await file.syncData();
    assertEquals(watched.synced, ["a"]);
    assertThrows(() => file.pwriteAll(ONE, 0), DiskError);
    const names = [...Deno.readDirSync(watched.folder)].map(({ name }) => name);
    assertEquals(names.sort(), ["a.deleted", "b"]);
  }));

Deno.test("a sync that fails when the handle goes is told by the next sync and write; reads go on", () =>
  watching(1, async (watched, open) => {
    const file = open("a");
    file.pwriteAll(ONE, 0);
    watched.failsSync = "a";
    open("b");
    watched.failsSync = undefined;
    await assertRejects(() => file.syncData(), DiskError, "bad disk");
    await assertRejects(() => file.syncData(), DiskError, "bad disk");
    assertThrows(() => file.pwriteAll(ONE, 1), DiskError, "bad disk");
    assertEquals(firstByte(file), 1);
    assert(!watched.synced.includes("a"));
  }));

Deno.test("a handle under a sync stays, and what is written meanwhile is synced again", () =>
  watching(1, async (watched, open) => {
    const file = open("a");
    file.pwriteAll(ONE, 0);
    const gate = Promise.withResolvers<void>();
    watched.gate = gate.promise;
    const syncing = file.syncData();
    file.pwriteAll(ONE, 1);
    open("b").close();
    assertEquals(watched.open, ["a"]);
    gate.resolve();
    await syncing;
    assertEquals(watched.synced, ["a"]);
    open("c");
    assertEquals(watched.synced, ["a", "a"]);
  }));

Deno.test("a handle that the system refuses is taken from another file", () =>
  watching(2, (watched, open) => {
    const file = open("a");
    file.pwriteAll(ONE, 0);
    watched.handlesMax = 1;
    open("b");
    assertEquals(watched.open, ["b"]);
    assertEquals(firstByte(file), 1);
  }));

Deno.test("what was written before a crash counts as unsynced", () =>
  watching(1, async (watched, open) => {
    const file = open("a");
    open("b");
    assertEquals(watched.synced, ["a"]);
    await file.syncData();
    assertEquals(watched.synced, ["a"]);
  }));

Deno.test("many syncs at once leave room for other files", () =>
  watching(4, async (watched, open) => {
    const gate = Promise.withResolvers<void>();
    watched.gate = gate.promise;
    watched.handlesMax = 4;
    const files = Array.from({ length: 9 }, (_, i) => open(`f${i}`));
    const syncs = files.map((file) => {
      file.pwriteAll(ONE, 0);
      return file.syncData();
    });
    open("other").pwriteAll(ONE, 0);
    gate.resolve();
    await Promise.all(syncs);
    for (const file of files) {
      const name = watched.nameOf(file.path);
      assert(watched.synced.includes(name), `${name} is synced`);
    }
  }));
