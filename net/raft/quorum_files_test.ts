/**
 * Kills in the middle of what a quorum's member writes, and power that fails
 * after it has started again.
 *
 * @module
 */
import { assertEquals, assertThrows } from "@std/assert";
import { Crash, CrashDisk } from "../../tests/faults/crash_disk.ts";
import { QuorumFiles } from "./quorum_files.ts";

const FOLDER = "/d/__cluster_metadata-0";
const VOTERS = { kraftVersion: 0, voters: [] } as const;
const state = (epoch: number) => ({ leaderId: -1, epoch, votedId: epoch });
const snapshot = { endOffset: 5, epoch: 1 };

/** What a member that starts on the disk finds. */
function foundOn(disk: CrashDisk) {
  const files = new QuorumFiles(disk, FOLDER);
  return { epoch: files.readState()?.epoch, newest: files.newestSnapshot };
}

for (
  const [what, write] of [
    ["a vote", (files: QuorumFiles) => files.writeState(state(2), VOTERS)],
    ["a snapshot", (files: QuorumFiles) => files.writeSnapshot(snapshot, [])],
  ] as const
) {
  Deno.test(`what a start found of ${what}, no loss of power takes back`, () => {
    let isNew = false;
    for (let step = 1; !isNew; step++) {
      const disk = new CrashDisk();
      const files = new QuorumFiles(disk, FOLDER);
      files.writeState(state(1), VOTERS);
      disk.failure = { at: disk.steps + step, error: new Crash("killed") };
      assertThrows(() => write(files), Crash);
      disk.failure = undefined;
      const found = foundOn(disk);
      isNew = found.epoch === 2 || found.newest !== undefined;
      assertEquals(foundOn(disk.crashed(() => 0)), found, `step ${step}`);
    }
  });
}
