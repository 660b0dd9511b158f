/**
 * The ways in which `deno task sim:mutants` breaks the code, each a few texts and
 * what takes their place. Owns the list alone; `mutants.ts` holds it against the
 * code.
 *
 * @module
 */

import type { ClusterPlan } from "./simulation.ts";

/** One way to break the code: texts of a file and what takes their place. */
export interface Mutant {
  readonly name: string;
  readonly file: string;
  /** The quorum alone finds it sooner. */
  readonly isOfQuorum?: boolean;
  /** The plan of clusters that finds it, if it isn't the newest one. */
  readonly plan?: ClusterPlan;
  readonly edits: readonly (readonly [string, string])[];
}

/** All of them. */
export const MUTANTS: readonly Mutant[] = [
  {
    name: "a flush syncs nothing",
    file: "core/log/flusher.ts",
    edits: [["await file.syncData();", "await file.size();"]],
  },
  {
    name: "acks=1 is answered before the flush that is owed",
    file: "net/server/hosted_partition.ts",
    edits: [["highWatermark : settledOffset", "highWatermark : Infinity"]],
  },
  {
    name: "the high watermark takes in what is not flushed",
    file: "core/log/log.ts",
    edits: [[
      "? this.flushedOffset\n      :",
      "? this.#writtenOffset\n      :",
    ]],
  },
  {
    name: "the high watermark falls",
    file: "core/partition/partition.ts",
    edits: [[
      "settled <= this.#highWatermark",
      "settled === this.#highWatermark",
    ]],
  },
  {
    name: "readers see beyond the high watermark",
    file: "core/partition/partition.ts",
    edits: [[
      '"read_uncommitted") return this.#highWatermark',
      '"read_uncommitted") return this.log.logEndOffset',
    ]],
  },
  {
    name: "a duplicate is appended again",
    file: "core/log/producer_state.ts",
    edits: [
      ["    if (old !== undefined) return old;\n", ""],
      [
        "if (isClient) this.#checkSequence(batch, entry);",
        "if (isClient && !entry) this.#checkSequence(batch, entry);",
      ],
    ],
  },
  {
    name: "a gap in the sequences is taken",
    file: "core/log/producer_state.ts",
    edits: [
      [
        "if (isClient) this.#checkSequence(batch, entry);",
        "if (isClient && !entry) this.#checkSequence(batch, entry);",
      ],
    ],
  },
  {
    name: "recovery forgets producers",
    file: "core/log/recovery.ts",
    edits: [
      [
        "    takeIn(batch, { producers, segment, marker: markerOf(batch) });\n",
        "",
      ],
    ],
  },
  {
    name: "recovery takes batches with a wrong CRC",
    file: "core/log/recovery.ts",
    edits: [["view.isCrcValid()", "view.magic === 2"]],
  },
  {
    name: "recovery cuts one byte too many",
    file: "core/log/recovery.ts",
    edits: [[
      "segment.truncate(position, nextOffset)",
      "segment.truncate(position - 1, nextOffset)",
    ]],
  },
  {
    name: "recovery begins at the log's end",
    file: "core/log/recovery.ts",
    edits: [
      [
        "const isClean = options.wasClean && damaged",
        "const isClean = damaged",
      ],
    ],
  },
  {
    name: "recovery leaves segments ahead of the log's end",
    file: "core/log/recovery.ts",
    edits: [
      ["size - position + drop(disk, segments, i + 1)", "size - position"],
      ["if (ahead > 0) drop(disk, segments, ahead);", "void ahead;"],
    ],
  },
  {
    name: "what was recovered is flushed by the next append alone",
    file: "core/log/log.ts",
    edits: [
      [
        "without waiting for an append.\n    this.#scheduleFlush();",
        "without waiting for an append.",
      ],
      // Whoever becomes leader, or looks for old records, does it as well.
      [
        "writeStaged(): void {\n    if (this.#staging.pendingBytes > 0) {",
        "writeStaged(): void {\n    if (this.#staging.pendingBytes === 0) return;\n    {",
      ],
    ],
  },
  {
    name: "a write that failed counts as written",
    file: "core/log/log.ts",
    edits: [[
      "    this.#logEndOffset = this.#writtenOffset;\n    try {",
      "    try {",
    ]],
  },
  {
    name: "the torn end of a failed write stays",
    file: "core/log/log.ts",
    edits: [
      ["      active.truncate(active.size, this.#writtenOffset);\n", ""],
      [
        "invariant(position === active.size,",
        "void (position === active.size,",
      ],
      [
        "active.writer.pwriteAll(bytes, position)",
        "active.writer.pwriteAll(bytes, active.writer.size())",
      ],
    ],
  },
  {
    name: "a new segment's folder isn't synced",
    file: "core/log/rolling.ts",
    edits: [["    disk.syncDirectory(folder);\n    return", "    return"]],
  },
  {
    name: "a replaced file's folder isn't synced",
    file: "core/log/checkpoint.ts",
    edits: [
      ["  disk.syncDirectory(folder);\n", ""],
      ["  if (syncsFolder) await disk.syncDirectoryLater(folder);\n", ""],
    ],
  },
  {
    name: "a file is renamed before it is synced",
    file: "core/log/checkpoint.ts",
    edits: [["    file.syncDataSync();\n", ""]],
  },
  {
    name: "a new partition's folder isn't synced",
    file: "core/log/log_folder.ts",
    edits: [[
      "await this.#env.disk.syncDirectoryLater(this.path);\n      this.#kept",
      "await Promise.resolve();\n      this.#kept",
    ]],
  },
  {
    name: "a new data folder's parent isn't synced",
    file: "core/log/log_folder.ts",
    edits: [["    disk.syncDirectory(parent);\n", ""]],
  },
  {
    name: "the mark of a clean stop stays",
    file: "core/log/log_folder.ts",
    edits: [[
      "    if (this.wasClean) disk.unlink(`${this.path}/${CLEAN}`);\n",
      "",
    ]],
  },
  {
    name: "a new topic takes its namesake's checkpoints",
    file: "core/log/log_folder.ts",
    edits: [[
      "if (!this.#named.has(own)) return;",
      'if (own !== "") return;',
    ]],
  },
  {
    name: "a compaction drops the latest record of a key",
    file: "core/log/cleaner/cleaner.ts",
    edits: [[
      "cursor.offset < this.#map.get(",
      "cursor.offset <= this.#map.get(",
    ]],
  },
  {
    name: "records of an aborted transaction supersede others",
    file: "core/log/cleaner/cleaner.ts",
    edits: [[
      "if (transactions.mayDiscard(batch) || batch.isControl) continue;",
      "if (batch.isControl) continue;",
    ]],
  },
  {
    name: "a cleaned segment counts before what it replaces is gone",
    file: "core/log/cleaner/swap.ts",
    edits: [[
      "const marked = old.flatMap((segment) => segment.markDeleted());",
      "const marked = old.slice(0, 1).flatMap((segment) => segment.markDeleted());",
    ]],
  },
  {
    name: "a snapshot from before a marker that was cleaned away stays",
    file: "core/log/cleaner/swap.ts",
    edits: [[
      "removeSnapshotsBefore(disk, folder, lastMarkerGone + 1);",
      "",
    ]],
  },
  {
    name: "what the disk refused is tried again for ever",
    file: "net/server/hosting.ts",
    edits: [["of [...this.#unopened])", "of this.#unopened)"]],
  },
  {
    name: "metadata are committed before they are synced",
    file: "net/raft/quorum.ts",
    edits: [[
      "break;\n        await this.#options.log.flush();",
      "break;\n        await Promise.resolve();",
    ]],
  },
  {
    name: "a metadata snapshot is renamed before it is synced",
    file: "net/raft/quorum_files.ts",
    edits: [["      file.syncDataSync();\n", ""]],
  },
  {
    name: "a coordinator answers before its records are committed",
    file: "core/coordinator/host.ts",
    edits: [[
      "if (lastOffset === undefined || lastOffset >= this.#highWatermark) {",
      "if (lastOffset === -2) {",
    ]],
  },
  {
    name: "commits of former generations are taken",
    file: "core/group/offsets.ts",
    edits: [[
      "generationId !== group.generation",
      "generationId > group.generation",
    ]],
  },
  {
    name: "commits of former epochs are taken",
    file: "core/group/consumer_offsets.ts",
    edits: [["return since !== undefined && epoch >= since;", "return true;"]],
  },
  {
    name: "heartbeats of former generations keep a member",
    file: "core/group/liveness.ts",
    edits: [[
      "request.generationId !== group.generation",
      "request.generationId > group.generation",
    ]],
  },
  {
    name: "a former owner ends the transaction of another",
    file: "core/txn/end.ts",
    edits: [[
      "if (before.producerEpoch !== producerEpoch) return",
      "if (before.producerEpoch < 0) return",
    ]],
  },
  {
    name: "logs take records of former owners",
    file: "core/log/producer_state.ts",
    edits: [
      [
        "if (entry !== undefined && batch.producerEpoch < entry.epoch) {",
        "if (entry !== undefined && batch.producerEpoch < 0) {",
      ],
    ],
  },
  {
    name: "one marker of a transaction is dropped",
    file: "net/server/txn_markers.ts",
    edits: [[
      'if (typeof found === "string") return found;',
      'if (typeof found === "string") return found;\n    if (partition === 1) return "NONE";',
    ]],
  },
  {
    name: "offsets of an aborted transaction count",
    file: "net/server/txn_markers.ts",
    edits: [[
      "groups.endTransaction(hosted, marker)",
      "groups.endTransaction(hosted, { ...marker, committed: true })",
    ]],
  },
  {
    name: "readers of what is committed see what is open",
    file: "core/partition/partition.ts",
    edits: [[
      '"read_committed") return this.lastStableOffset',
      '"read_committed") return this.#highWatermark',
    ]],
  },
  {
    name: "the index of aborted transactions is not synced",
    file: "core/log/txn_index.ts",
    edits: [[
      "this.#noteSaved(file);\n    this.#isUnsynced = true;",
      "this.#noteSaved(file);",
    ]],
  },
  {
    name: "a transaction is committed without a refused record",
    file: "net/client/producer.ts",
    edits: [[
      "    return this.#transaction!.lost(error);\n",
      "    return false;\n",
    ]],
  },
  {
    name: "the error of a late commit ends a newer membership",
    file: "net/client/group_member.ts",
    edits: [[
      "if (committer !== undefined && !this.#is(committer)) return;",
      "",
    ]],
  },
  {
    name: "a consumer skips a record at the end of a batch",
    file: "core/client/fetched.ts",
    edits: [[
      "this.position = cursor.offset + 1;",
      "this.position = cursor.offset + 2;",
    ]],
  },
  {
    name: "a retry overtakes older batches",
    file: "core/client/partition_queue.ts",
    edits: [[
      "older && older.ordinal < head.ordinal",
      "older && older.ordinal < 0",
    ], [
      "this.#waiting[at]!.ordinal < batch.ordinal",
      "this.#waiting[at]!.ordinal > batch.ordinal",
    ]],
  },
];
