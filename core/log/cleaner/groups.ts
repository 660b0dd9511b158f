/**
 * Which neighbouring segments a cleaning makes into one. Decides only.
 *
 * @module
 */
import type { Segment } from "../segment.ts";

const RELATIVE_OFFSET_MAX = 0x7fffffff;

/** What a group must not exceed. */
interface GroupBounds {
  readonly bytesMax: number;
  readonly indexBytesMax: number;
  /** Where the last segment ends at the latest. */
  readonly endOffset: number;
}

/** The segments in groups whose sizes before the cleaning fit into one. */
export function groupSegments(
  segments: readonly Segment[],
  bounds: GroupBounds,
): Segment[][] {
  const groups: Segment[][] = [];
  for (const [i, segment] of segments.entries()) {
    const group = groups.at(-1);
    const end = segments[i + 1]?.baseOffset ?? bounds.endOffset;
    if (group !== undefined && fits([...group, segment], { ...bounds, end })) {
      group.push(segment);
    } else groups.push([segment]);
  }
  return groups;
}

function fits(
  group: readonly Segment[],
  { bytesMax, indexBytesMax, end }: GroupBounds & { readonly end: number },
): boolean {
  const sum = (bytesOf: (segment: Segment) => number) =>
    group.reduce((bytes, segment) => bytes + bytesOf(segment), 0);
  return sum(({ size }) => size) <= bytesMax &&
    sum(({ offsetIndex }) => offsetIndex.file.sizeInBytes) <= indexBytesMax &&
    sum(({ timeIndex }) => timeIndex.file.sizeInBytes) <= indexBytesMax &&
    end - 1 - group[0]!.baseOffset <= RELATIVE_OFFSET_MAX;
}
