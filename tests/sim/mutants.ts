/**
 * `deno task sim:mutants`: breaks a copy of the code in ways that matter, and
 * tells which seed finds each. What no seed finds is a hole in the simulator.
 * Owns the list of mutants; it must never touch the code itself.
 *
 * @module
 */

/** One way to break the code: texts of a file and what takes their place. */
interface Mutant {
  readonly name: string;
  readonly file: string;
  readonly edits: readonly (readonly [string, string])[];
}

const SEEDS = 500;
const ROOT = new URL("../../", import.meta.url).pathname;
const COPIED = ["core", "net", "tests", "deno.json", "deno.lock", "std.d.ts"];

const MUTANTS: readonly Mutant[] = [
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
    edits: [["if (old !== undefined) return old;", ""], [
      "if (baseSequence !== expected) {",
      "if (baseSequence > expected) {",
    ]],
  },
  {
    name: "a gap in the sequences is taken",
    file: "core/log/producer_state.ts",
    edits: [["if (baseSequence !== expected) {", "if (baseSequence < 0) {"]],
  },
  {
    name: "recovery forgets producers",
    file: "core/log/recovery.ts",
    edits: [["producers.update(batch);", ""]],
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
      "segment.truncate(scan.goodBytes, next)",
      "segment.truncate(scan.goodBytes - 1, next)",
    ]],
  },
  {
    name: "recovery begins at the log's end",
    file: "core/log/recovery.ts",
    edits: [[
      "const isTrusted = options.wasClean && isSane;",
      "const isTrusted = isSane;",
    ]],
  },
  {
    name: "recovery keeps segments behind a hole",
    file: "core/log/recovery.ts",
    edits: [[
      "segment.baseOffset < next || isAhead",
      "segment.baseOffset < next",
    ]],
  },
  {
    name: "what was recovered is never flushed",
    file: "core/log/log.ts",
    edits: [["never got.\n    this.#scheduleFlush();", "never got."]],
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
    file: "core/log/log.ts",
    edits: [[
      "    disk.syncDirectory(this.folder);\n    this.#segments.push(next);",
      "    this.#segments.push(next);",
    ]],
  },
  {
    name: "a replaced file's folder isn't synced",
    file: "core/log/checkpoint.ts",
    edits: [["  disk.syncDirectory(folder);\n", ""]],
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
      "${topicId}`,\n    });\n    disk.syncDirectory(this.path);",
      "${topicId}`,\n    });",
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
    edits: [["    this.#isMarkedClean = false;\n", "    return;\n"]],
  },
  {
    name: "a new topic takes its namesake's checkpoints",
    file: "core/log/log_folder.ts",
    edits: [[
      "if (!this.#named.delete(own)) return;",
      'if (own !== "") return;',
    ]],
  },
  {
    name: "metadata are committed before they are synced",
    file: "net/raft/quorum.ts",
    edits: [["await log.flush();", "await Promise.resolve();"]],
  },
  {
    name:
      "the metadata log is replayed from the newest snapshot onto the oldest",
    file: "net/raft/quorum.ts",
    edits: [["    this.#found = undefined;\n", ""], [
      "const from = snapshot?.id.endOffset ?? 0;",
      "const from = this.#snapshot?.endOffset ?? 0;",
    ]],
  },
  {
    name: "a metadata snapshot is renamed before it is synced",
    file: "net/raft/quorum.ts",
    edits: [["    file.syncDataSync();\n", ""]],
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
    file: "core/group/liveness.ts",
    edits: [[
      "request.generationId !== group.generation",
      "request.generationId > group.generation",
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

/** The code with the mutant in it, in a folder of its own. */
function mutated({ name, file, edits }: Mutant): string {
  const folder = Deno.makeTempDirSync({ prefix: "kf-mutant-" });
  for (const each of COPIED) {
    const { success } = new Deno.Command("cp", {
      args: ["-r", ROOT + each, folder],
    }).outputSync();
    if (!success) throw new Error(`Cannot copy ${each}`);
  }
  const path = `${folder}/${file}`;
  let text = Deno.readTextFileSync(path);
  for (const [from, to] of edits) {
    if (!text.includes(from)) {
      throw new Error(`Cannot make mutant "${name}": ${file} lacks ${from}`);
    }
    text = text.replace(from, () => to);
  }
  Deno.writeTextFileSync(path, text);
  return folder;
}

/** The first seed that fails, and what it says; undefined when none does. */
function hunt(mutant: Mutant, seeds: number): string | undefined {
  const folder = mutated(mutant);
  try {
    const { stdout } = new Deno.Command(Deno.execPath(), {
      args: [
        "run",
        "-A",
        "--no-check",
        `${folder}/tests/sim/main.ts`,
        "--from",
        "1",
        "--seeds",
        String(seeds),
        "--first",
      ],
      cwd: folder,
      stderr: "null",
    }).outputSync();
    const lines = new TextDecoder().decode(stdout).split("\n");
    const at = lines.findIndex((line) => line.startsWith("seed "));
    if (at < 0) return undefined;
    const [, seed] = /^seed (\d+)/.exec(lines[at]!)!;
    return `${seed!.padStart(4)}  ${lines[at + 1]!.trim().slice(0, 100)}`;
  } finally {
    Deno.removeSync(folder, { recursive: true });
  }
}

const [wanted = ""] = Deno.args;
const chosen = MUTANTS.filter(({ name }) => name.includes(wanted));
let missed = 0;
console.log(`${"mutant".padEnd(62)}  seed  what it found`);
for (const mutant of chosen) {
  const found = hunt(mutant, SEEDS);
  if (found === undefined) missed++;
  console.log(`${mutant.name.padEnd(62)}  ${found ?? `none of ${SEEDS}`}`);
}
console.log(`${chosen.length - missed} of ${chosen.length} mutants were found`);
if (missed > 0) Deno.exit(1);
