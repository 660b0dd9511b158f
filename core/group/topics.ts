/**
 * What groups know of the cluster's topics: the look-ups, which topics a
 * member means, and a hash that tells when they changed. Owns no metadata.
 *
 * @module
 */
import type { Uuid } from "../bytes/uuid.ts";
import { murmur2 } from "../record/murmur2.ts";
import { xxhash32 } from "../record/xxhash32.ts";
import type { ConsumerMember, ResolvedRegex } from "./consumer_group.ts";

/** A topic, as far as groups care. */
export interface GroupTopic {
  readonly name: string;
  readonly id: Uuid;
  readonly partitions: { readonly length: number };
}

/** The cluster's topics. */
export interface GroupTopics {
  /** Changes whenever anything else here does. */
  readonly version: number;
  topic(name: string): GroupTopic | undefined;
  topicById(id: Uuid): GroupTopic | undefined;
  names(): Iterable<string>;
}

type Subscriber = Pick<ConsumerMember, "topics" | "regex">;

/** Names that the member wants; not all need exist. */
export function wantedTopics(
  { topics, regex }: Subscriber,
  regexes: ReadonlyMap<string, ResolvedRegex>,
): readonly string[] {
  const matched = regex === null ? undefined : regexes.get(regex)?.topics;
  if (matched === undefined || matched.length === 0) return topics;
  return topics.length === 0 ? matched : [...new Set([...topics, ...matched])];
}

/** Topics that exist and the member wants. */
export function subscribedTopics(
  names: readonly string[],
  topics: GroupTopics,
): GroupTopic[] {
  return names.flatMap((name) => {
    const topic = topics.topic(name);
    return topic === undefined ? [] : [topic];
  });
}

const UTF8 = new TextEncoder();

/**
 * A hash of all that an assignor looks at in the wanted topics. Kafka hashes
 * otherwise: a coordinator that takes over bumps the group's epoch once.
 */
export function topicsHash(
  names: ReadonlySet<string>,
  topics: GroupTopics,
): bigint {
  const lines = subscribedTopics([...names].sort(), topics)
    .map(({ name, id, partitions }) => `${name} ${id} ${partitions.length}`);
  if (lines.length === 0) return 0n;
  const bytes = UTF8.encode(lines.join("\n"));
  const low = BigInt(murmur2(bytes) >>> 0);
  return BigInt.asIntN(64, BigInt(xxhash32(bytes)) << 32n | low);
}
