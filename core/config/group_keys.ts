/**
 * The keys of one group that kf honours, with the broker keys that give their
 * defaults. Owns names and bounds; a key that nothing reads must
 * not stand here.
 *
 * @module
 */
import type { BrokerValues } from "./broker_keys.ts";
import { int, type Synonym } from "./key.ts";

const by = (name: string): Synonym[] => [{ name }];

export const GROUP_KEYS = {
  "consumer.heartbeat.interval.ms": int(5000, {
    min: 1,
    synonyms: by("group.consumer.heartbeat.interval.ms"),
    doc: "How often members of this consumer group are to be heard of.",
  }),
  "consumer.session.timeout.ms": int(45000, {
    min: 1,
    synonyms: by("group.consumer.session.timeout.ms"),
    doc: "How long a silent member stays in this consumer group.",
  }),
} as const;

/** A group's value: its own text, or what the broker says. */
export function groupValue(
  name: keyof typeof GROUP_KEYS,
  { texts, broker }: {
    readonly texts: ReadonlyMap<string, string>;
    readonly broker: BrokerValues;
  },
): number {
  const text = texts.get(name);
  if (text !== undefined) return GROUP_KEYS[name].parse(text)!;
  return broker[`group.${name}`];
}
