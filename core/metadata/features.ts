/**
 * Features of the cluster: which there are, at which levels, and the decision
 * to finalize other levels (KIP-584, KIP-778). Owns the table of what is
 * supported; what a level switches on is known where it is used.
 *
 * @module
 */
import { KafkaError } from "../errors.ts";
import type {
  ControllerDecision,
  ControllerState,
  FeatureUpdate,
} from "./controller.ts";
import { ELR_FEATURE } from "./cluster_settings.ts";
import { type MetadataImage, RESOURCE_TYPE } from "./image.ts";
import { type MetadataRecord, metadataRecord } from "./records.ts";
import { itemResult } from "./topics.ts";

/** Levels that a feature may have; 0 is off. */
interface Levels {
  readonly min: number;
  readonly max: number;
}

/** The feature that the quorum keeps by itself, in its control records. */
export const KRAFT_VERSION = "kraft.version";

/** Every feature that exists here, with the levels that are supported. */
export const FEATURES: Readonly<Record<string, Levels>> = {
  "metadata.version": { min: 7, max: 33 },
  [ELR_FEATURE]: { min: 0, max: 1 },
  "group.version": { min: 0, max: 1 },
  "transaction.version": { min: 0, max: 2 },
  [KRAFT_VERSION]: { min: 0, max: 1 },
};

/** Levels of a new cluster, `metadata.version` first: it is 4.1-IV1. */
const INITIAL_LEVELS: Readonly<Record<string, number>> = {
  "metadata.version": 27,
  [ELR_FEATURE]: 1,
  "group.version": 1,
  "transaction.version": 2,
};

/** Levels of `metadata.version` that brought records or fields of records. */
const METADATA_CHANGES = [8, 11, 13, 14, 15, 17, 23, 30, 32, 33] as const;

const UPGRADE_TYPE = { UPGRADE: 1, SAFE_DOWNGRADE: 2, UNSAFE_DOWNGRADE: 3 };

/** Whether `level` of a feature is known here. */
export function isSupported(feature: string, level: number): boolean {
  const levels = Object.hasOwn(FEATURES, feature)
    ? FEATURES[feature]
    : undefined;
  return levels !== undefined && level >= levels.min && level <= levels.max;
}

/** Why `level` of a feature can't be followed here; undefined when it can. */
export function unsupportedLevel(
  feature: string,
  level: number,
): string | undefined {
  if (level === 0 || isSupported(feature, level)) return undefined;
  const own = Object.hasOwn(FEATURES, feature) ? FEATURES[feature] : undefined;
  const known = own === undefined
    ? "knows no such feature"
    : `supports ${own.min} to ${own.max}`;
  return `${feature} is at level ${level}, and this broker ${known}`;
}

/** What a broker says of itself when it registers. */
export function supportedFeatures(): {
  readonly name: string;
  readonly minSupportedVersion: number;
  readonly maxSupportedVersion: number;
}[] {
  return Object.entries(FEATURES).filter(([, { max }]) => max > 0)
    .map(([name, { min, max }]) => ({
      name,
      minSupportedVersion: min,
      maxSupportedVersion: max,
    }));
}

/** The first records of a new cluster; none when there are some. */
export function bootstrap(state: ControllerState): ControllerDecision {
  const { image } = state;
  const reply = { type: "bootstrap" } as const;
  if (image.features.has("metadata.version")) return { records: [], reply };
  const records = [
    metadataRecord("BeginTransaction", { name: "Bootstrap records" }),
    ...Object.entries(INITIAL_LEVELS).map(([name, featureLevel]) =>
      metadataRecord("FeatureLevel", { name, featureLevel })
    ),
    ...minIsrRecords(state),
    metadataRecord("EndTransaction", {}),
  ];
  return { records, reply };
}

/** Finalizes levels, all or none, or only says whether they could be. */
export function updateFeatures(
  { featureUpdates, validateOnly }: {
    readonly featureUpdates: readonly FeatureUpdate[];
    readonly validateOnly: boolean;
  },
  state: ControllerState,
): ControllerDecision {
  const { image } = state;
  const records: MetadataRecord[] = [];
  // A feature that is named twice gets what was asked last.
  const updates = new Map(featureUpdates.map((each) => [each.feature, each]));
  const result = itemResult(() => {
    for (const update of updates.values()) {
      const { feature: name, maxVersionLevel: featureLevel } = update;
      const problem = problemOf(update, image);
      if (problem !== undefined) {
        throw new KafkaError(
          "INVALID_UPDATE_VERSION",
          `Cannot set ${name} to ${featureLevel}: ${problem}`,
        );
      }
      if (featureLevel === levelOf(name, image)) continue;
      records.push(metadataRecord("FeatureLevel", { name, featureLevel }));
      const isElr = name === ELR_FEATURE && featureLevel > 0;
      if (isElr) records.push(...minIsrRecords(state));
    }
  });
  const isRefused = validateOnly || result.error !== "NONE";
  return {
    records: isRefused ? [] : records,
    reply: { type: "updateFeatures", result },
  };
}

/**
 * Who is eligible depends on min.insync.replicas, so that all must see the
 * same: it is set for the cluster, and for no broker of its own (KIP-966).
 */
function minIsrRecords({ image, config }: ControllerState): MetadataRecord[] {
  const resourceType = RESOURCE_TYPE.BROKER;
  const name = "min.insync.replicas";
  const records: MetadataRecord[] = [];
  const set = (resourceName: string, value: string | null) =>
    records.push(
      metadataRecord("Config", { resourceType, resourceName, name, value }),
    );
  if (!image.configs(resourceType, "").has(name)) {
    set("", config.layers.static.get(name) ?? String(config[name]));
  }
  for (const { type, name: resourceName, configs } of image.configResources()) {
    const isOwn = type === resourceType && resourceName !== "";
    if (isOwn && configs.has(name)) set(resourceName, null);
  }
  return records;
}

function levelOf(name: string, image: MetadataImage): number {
  return image.features.get(name) ?? 0;
}

function problemOf(
  { feature, maxVersionLevel: level, upgradeType }: FeatureUpdate,
  image: MetadataImage,
): string | undefined {
  if (!Object.values(UPGRADE_TYPE).includes(upgradeType)) {
    return `upgrade type ${upgradeType} is not known`;
  }
  if (level < 0) return "a level can't be below 0";
  const unsupported = unsupportedBy(feature, { level, image });
  if (unsupported !== undefined) return unsupported;
  const before = levelOf(feature, image);
  if (level > before && upgradeType !== UPGRADE_TYPE.UPGRADE) {
    return `a downgrade can't raise it from ${before}`;
  }
  if (level >= before) return undefined;
  if (upgradeType === UPGRADE_TYPE.UPGRADE) {
    return `an upgrade can't lower it from ${before}: ask for a safe or an unsafe downgrade`;
  }
  const losesMetadata = feature === "metadata.version" &&
    METADATA_CHANGES.some((change) => change > level && change <= before);
  if (!losesMetadata) return undefined;
  return upgradeType === UPGRADE_TYPE.SAFE_DOWNGRADE
    ? `metadata that came since might be lost on the way from ${before}`
    : `an unsafe downgrade of metadata from ${before} is not supported`;
}

/** Who of the cluster can't take `feature` to `level`. */
function unsupportedBy(
  feature: string,
  { level, image }: { readonly level: number; readonly image: MetadataImage },
): string | undefined {
  const own = Object.hasOwn(FEATURES, feature) ? FEATURES[feature] : undefined;
  if (own === undefined) return "there is no such feature";
  if (!isSupported(feature, level)) {
    return `the controller supports levels ${own.min} to ${own.max}`;
  }
  const nodes = [
    ...Array.from(
      image.brokers.values(),
      ({ id, features }) => [`broker ${id}`, features] as const,
    ),
    ...Array.from(
      image.controllers.values(),
      (each) => [`controller ${each.controllerId}`, each.features] as const,
    ),
  ];
  for (const [node, features] of nodes) {
    const found = features.find(({ name }) => name === feature);
    const min = found?.minSupportedVersion ?? 0;
    const max = found?.maxSupportedVersion ?? 0;
    if (level < min || level > max) {
      return `${node} supports levels ${min} to ${max}`;
    }
  }
  return undefined;
}
