/**
 * The folder of an export: `topic.json`, which says how the topic is made
 * anew, and a file for each partition, as `export_file.ts` keeps it.
 *
 * @module
 */
import type { ConsumerRecord } from "../net/client.ts";
import { ExportFile } from "./export_file.ts";
import type { Creation } from "./reading.ts";
import { makeFolder, readText, replaceText } from "./terminal.ts";
import { isMapping } from "./yaml.ts";

/** What `topic.json` says. */
export interface ExportedTopic {
  readonly topic: string;
  readonly creation: Creation & { readonly partitions: number };
}

/** A folder without the slash by which it was named. */
export function folderOf(path: string): string {
  return path.replace(/(?<=[^/\\])[/\\]+$/, "");
}

/** The file of a partition. */
export function partitionFile(folder: string, partition: number): string {
  return `${folder}/${partition}.jsonl`;
}

/** Reads `topic.json`; `undefined` when there is none. */
export function readExportedTopic(folder: string): ExportedTopic | undefined {
  const path = `${folder}/topic.json`;
  const text = readText(path);
  if (text === undefined) return undefined;
  let about: unknown;
  try {
    about = JSON.parse(text);
  } catch (error) {
    throw new Error(`Cannot read "${path}": it is no JSON`, { cause: error });
  }
  const { topic, partitions, configs } = isMapping(about) ? about : {};
  if (
    typeof topic !== "string" || !Number.isSafeInteger(partitions) ||
    !isMapping(configs)
  ) throw new Error(`Cannot read "${path}": no kf export has written it`);
  const pairs = Object.entries(configs).map(([name, value]) =>
    [name, String(value)] as const
  );
  return {
    topic,
    creation: {
      partitions: Number(partitions),
      configs: Object.fromEntries(pairs),
    },
  };
}

/** Lines on their way into the files of a folder. */
export class ExportFolder {
  readonly #files: readonly ExportFile[];

  private constructor(files: readonly ExportFile[]) {
    this.#files = files;
  }

  /** Opens a folder, which is made when missing. */
  static async open(
    folder: string,
    { topic, creation }: ExportedTopic,
  ): Promise<ExportFolder> {
    makeFolder(folder);
    const former = readExportedTopic(folder);
    if (former !== undefined && former.topic !== topic) {
      throw new Error(
        `Cannot go on in "${folder}": it is an export of "${former.topic}"`,
      );
    }
    const text = JSON.stringify({ topic, ...creation }, null, 2);
    replaceText(`${folder}/topic.json`, `${text}\n`);
    const files: ExportFile[] = [];
    for (let p = 0; p < creation.partitions; p++) {
      files.push(await ExportFile.open(partitionFile(folder, p), topic));
    }
    return new ExportFolder(files);
  }

  /** Bytes of this run. */
  get bytes(): number {
    return this.#files.reduce((sum, { bytes }) => sum + bytes, 0);
  }

  /** Whether something is there already. */
  get isResumed(): boolean {
    return this.#files.some(({ isResumed }) => isResumed);
  }

  /** The last record of each partition. */
  get lasts(): Map<number, number> {
    return new Map(this.#files.flatMap(({ lasts }) => [...lasts]));
  }

  /** Adds records of one partition, in order; gives how many were new. */
  add(records: readonly ConsumerRecord[]): number {
    return this.#files[records[0]!.partition]!.add(records);
  }

  /** Writes what was added. */
  flush(): void {
    for (const file of this.#files) file.flush();
  }

  /** Brings the files to the disk. */
  close(): void {
    for (const file of this.#files) file.close();
  }
}
