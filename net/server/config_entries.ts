/**
 * Configs as DescribeConfigs and CreateTopics show them: each key with its
 * value and every place that says something about it. Owns the order of those
 * places; what a value means is `core/config`.
 *
 * @module
 */
import { BROKER_KEYS } from "../../core/config/broker_keys.ts";
import {
  CONFIG_TYPE_CODES,
  type ConfigKey,
  configText,
  type KeyTable,
} from "../../core/config/key.ts";
import { GROUP_KEYS } from "../../core/config/group_keys.ts";
import type { BrokerConfig, ConfigText } from "../../core/config/resolve.ts";
import { TOPIC_KEYS } from "../../core/config/topic_keys.ts";

/** Who says a value; numbers as on the wire. */
const SOURCE = {
  topic: 1,
  dynamicBroker: 2,
  dynamicDefault: 3,
  static: 4,
  default: 5,
  group: 8,
} as const;

/** One place that gives a key a value. */
interface ConfigSynonym {
  readonly name: string;
  readonly value: string | null;
  readonly source: number;
}

/** One key as it is shown. */
export interface ConfigEntry {
  readonly name: string;
  readonly value: string | null;
  readonly readOnly: boolean;
  readonly configSource: number;
  readonly isSensitive: boolean;
  readonly synonyms: readonly ConfigSynonym[];
  readonly configType: number;
  readonly documentation: string;
}

const BROKER: KeyTable = BROKER_KEYS;
const TOPIC: KeyTable = TOPIC_KEYS;
const GROUP: KeyTable = GROUP_KEYS;

/** Places in the broker's config that say something about `name`. */
function brokerPlaces(name: string, { layers }: BrokerConfig): ConfigSynonym[] {
  const key = BROKER[name]!;
  const places: ConfigSynonym[] = [];
  const add = (texts: ConfigText, source: number) => {
    const text = texts.get(name);
    if (text !== undefined) places.push({ name, value: text, source });
  };
  add(layers.dynamicBroker, SOURCE.dynamicBroker);
  add(layers.dynamicDefault, SOURCE.dynamicDefault);
  add(layers.static, SOURCE.static);
  const initial = configText(key.default);
  if (initial !== null) {
    places.push({ name, value: initial, source: SOURCE.default });
  }
  return places;
}

function entryOf(
  name: string,
  key: ConfigKey<unknown>,
  { places, readOnly }: {
    readonly places: readonly ConfigSynonym[];
    readonly readOnly: boolean;
  },
): ConfigEntry {
  const isSensitive = key.isSensitive === true;
  const strongest = places[0];
  return {
    name,
    value: isSensitive ? null : strongest?.value ?? null,
    readOnly,
    configSource: strongest?.source ?? SOURCE.default,
    isSensitive,
    synonyms: isSensitive
      ? places.map((place) => ({ ...place, value: null }))
      : places,
    configType: CONFIG_TYPE_CODES[key.type],
    documentation: key.doc,
  };
}

/** A broker place's value in the unit of the topic key it stands for. */
function scaled(place: ConfigSynonym, scale: number): ConfigSynonym {
  const number = Number(place.value);
  if (scale === 1 || !(number >= 0)) return place;
  return { ...place, value: String(number * scale) };
}

/** Every key of a topic with these own texts. */
export function topicEntries(
  texts: ConfigText,
  broker: BrokerConfig,
): ConfigEntry[] {
  return ownEntries(TOPIC, { texts, source: SOURCE.topic, broker });
}

/** Every key of a group with these own texts. */
export function groupEntries(
  texts: ConfigText,
  broker: BrokerConfig,
): ConfigEntry[] {
  return ownEntries(GROUP, { texts, source: SOURCE.group, broker });
}

/** Keys that something sets itself, or inherits from the broker. */
function ownEntries(
  table: KeyTable,
  { texts, source, broker }: {
    readonly texts: ConfigText;
    readonly source: number;
    readonly broker: BrokerConfig;
  },
): ConfigEntry[] {
  return Object.entries(table).map(([name, key]) => {
    const places: ConfigSynonym[] = [];
    const own = texts.get(name);
    if (own !== undefined) places.push({ name, value: own, source });
    const inherited: ConfigSynonym[] = [];
    for (const synonym of key.synonyms ?? []) {
      for (const place of brokerPlaces(synonym.name, broker)) {
        inherited.push(scaled(place, synonym.scale ?? 1));
      }
    }
    // A broker key set by anyone beats the default of a stronger synonym.
    inherited.sort((a, b) =>
      Number(a.source === SOURCE.default) - Number(b.source === SOURCE.default)
    );
    places.push(...inherited);
    if (places.length === 0) {
      const value = configText(key.default);
      if (value !== null) {
        places.push({ name, value, source: SOURCE.default });
      }
    }
    return entryOf(name, key, { places, readOnly: false });
  });
}

/** Every key of the broker. */
export function brokerEntries(broker: BrokerConfig): ConfigEntry[] {
  return Object.entries(BROKER).map(([name, key]) =>
    entryOf(name, key, {
      places: brokerPlaces(name, broker),
      readOnly: (key.update ?? "read-only") === "read-only",
    })
  );
}

/** The keys that were changed at run time for every broker. */
export function defaultBrokerEntries(texts: ConfigText): ConfigEntry[] {
  const entries: ConfigEntry[] = [];
  for (const [name, value] of texts) {
    const key = BROKER[name];
    if (key === undefined) continue;
    const places = [{ name, value, source: SOURCE.dynamicDefault }];
    entries.push(entryOf(name, key, { places, readOnly: false }));
  }
  return entries;
}
