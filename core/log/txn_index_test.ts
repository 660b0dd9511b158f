/**
 * The index of aborted transactions on a disk that loses what wasn't synced.
 *
 * @module
 */
import { assertEquals } from "@std/assert";
import type { Disk, DiskFile } from "../env/env.ts";
import { denoEnv } from "../env/deno_env.ts";
import { TxnIndex } from "./txn_index.ts";

const ABORTED = {
  producerId: 7,
  firstOffset: 1,
  lastOffset: 3,
  lastStableOffset: 4,
};

Deno.test("freezing syncs what was saved before without a sync", () => {
  const folder = Deno.makeTempDirSync({ prefix: "kf-test-" });
  try {
    const synced: string[] = [];
    const { disk } = denoEnv();
    const watching: Disk = {
      ...disk,
      open: (path, mode) => watched(disk.open(path, mode), synced),
    };
    const path = `${folder}/0.txnindex`;
    const index = new TxnIndex(watching, path);
    index.append(ABORTED);
    index.save();
    assertEquals(synced, []);
    index.release();
    index.freeze();
    assertEquals(synced, [`${path}.tmp`]);
    index.freeze();
    assertEquals(synced, [`${path}.tmp`]);
    assertEquals(new TxnIndex(disk, path).collect(0, 9).aborted, [ABORTED]);
  } finally {
    Deno.removeSync(folder, { recursive: true });
  }
});

/** The file, which tells of its syncs. */
function watched(file: DiskFile, synced: string[]): DiskFile {
  return {
    path: file.path,
    pread: (into, position) => file.pread(into, position),
    pwriteAll: (bytes, position) => file.pwriteAll(bytes, position),
    syncData: () => file.syncData(),
    syncDataSync() {
      synced.push(file.path);
      file.syncDataSync();
    },
    truncate: (size) => file.truncate(size),
    size: () => file.size(),
    close: () => file.close(),
  };
}
