/**
 * Holds the replicas of each partition against each other once there is peace:
 * the same batches, byte by byte, and each as its checksum says. It reads the
 * disks behind the brokers' backs, and must never change them.
 *
 * @module
 */
import type { MetadataImage } from "../../core/metadata/image.ts";
import { batchesOf, type BatchView } from "../../core/record/batch.ts";
import { FileNode, type FolderNode } from "./files.ts";
import type { TopicPlan } from "./plan.ts";

/** The disk of one node. */
export interface Disk {
  readonly nodeId: number;
  readonly root: FolderNode;
}

interface Copy {
  readonly nodeId: number;
  readonly batches: readonly BatchView[];
}

/** What is wrong with the replicas of `topics`; each compacts by itself. */
export function differences(
  disks: readonly Disk[],
  { image, topics }: {
    readonly image: MetadataImage;
    readonly topics: readonly TopicPlan[];
  },
): string[] {
  const found: string[] = [];
  for (const { name: topic, isCompacted } of topics) {
    const { partitions = [] } = image.topic(topic) ?? {};
    for (const [index, { isr }] of partitions.entries()) {
      const name = `${topic}-${index}`;
      const copies = disks.filter(({ nodeId }) => isr.includes(nodeId))
        .map(({ nodeId, root }) => ({
          nodeId,
          batches: batchesIn(root, name),
        }));
      found.push(...copies.flatMap((copy) => damaged(name, copy)));
      if (!isCompacted) found.push(...unequal(name, copies));
    }
  }
  return found;
}

function damaged(name: string, { nodeId, batches }: Copy): string[] {
  return batches.filter((batch) => !batch.isCrcValid())
    .map(({ baseOffset }) =>
      `${name} on ${nodeId} is damaged at ${baseOffset}`
    );
}

/** Whether two have other batches between where both begin and end. */
function unequal(
  name: string,
  [first, ...others]: readonly Copy[],
): string[] {
  return others.flatMap(({ nodeId, batches }) => {
    const own = first!.batches;
    const start = Math.max(startOf(own), startOf(batches));
    const end = Math.min(endOf(own), endOf(batches));
    const within = (all: readonly BatchView[]) =>
      all.filter(({ baseOffset, lastOffset }) =>
        baseOffset >= start && lastOffset < end
      );
    const here = within(batches);
    const there = within(own);
    const at = here.findIndex((batch, i) => !isSame(batch, there[i]));
    if (at < 0 && here.length === there.length) return [];
    const offset = (here[at] ?? there[here.length])!.baseOffset;
    return [`${name} on ${first!.nodeId} and ${nodeId} differs at ${offset}`];
  });
}

function startOf(batches: readonly BatchView[]): number {
  return batches[0]?.baseOffset ?? 0;
}

function endOf(batches: readonly BatchView[]): number {
  return (batches.at(-1)?.lastOffset ?? -1) + 1;
}

function isSame(a: BatchView, b: BatchView | undefined): boolean {
  return b !== undefined && a.bytes.length === b.bytes.length &&
    a.bytes.every((byte, i) => byte === b.bytes[i]);
}

function batchesIn(root: FolderNode, name: string): BatchView[] {
  const folder = ["data", "kf", name].reduce<FolderNode | undefined>(
    (parent, each) => {
      const node = parent?.entries.get(each);
      return node instanceof FileNode ? undefined : node;
    },
    root,
  );
  const files = [...folder?.entries ?? []]
    .filter(([file]) => /^\d{20}\.log$/.test(file)).sort();
  return files.flatMap(([, file]) =>
    file instanceof FileNode ? [...batchesOf(file.content())] : []
  );
}
