/**
 * Names of things that several parts speak of. Types and their text form only.
 *
 * @module
 */

/** One partition of one topic. */
export interface TopicPartition {
  /** Topic name. */
  readonly topic: string;
  /** Partition index, from 0. */
  readonly partition: number;
}

/** `topic-partition`, Kafka's name of the partition's folder and a map key. */
export function partitionName(topic: string, partition: number): string {
  return `${topic}-${partition}`;
}

/** `host:port` as configs and people write it; an IPv6 address in brackets. */
export function addressText(
  { host, port }: { readonly host: string; readonly port: number },
): string {
  return host.includes(":") ? `[${host}]:${port}` : `${host}:${port}`;
}

/** Tells what is none of `partitions`. */
export function outside(
  partitions: readonly TopicPartition[],
): (other: TopicPartition) => boolean {
  const nameOf = (tp: TopicPartition) => partitionName(tp.topic, tp.partition);
  const names = new Set(partitions.map(nameOf));
  return (other) => !names.has(nameOf(other));
}

/** Java's `String.hashCode`, which places groups on coordinator partitions. */
export function javaHash(text: string): number {
  let hash = 0;
  for (let i = 0; i < text.length; i++) {
    hash = Math.imul(hash, 31) + text.charCodeAt(i) | 0;
  }
  return hash;
}

/** The partition of an internal topic that coordinates `id`. */
export function coordinatorPartition(id: string, partitions: number): number {
  const hash = javaHash(id);
  return (hash === -0x80000000 ? 0 : Math.abs(hash)) % partitions;
}
