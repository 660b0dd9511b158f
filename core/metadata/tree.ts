/**
 * The image as a tree for people: what was ZooKeeper's nodes. Owns the names of
 * its branches; each is an object, so that a path leads down to any value.
 *
 * @module
 */
import type { BrokerImage, MetadataImage, TopicImage } from "./image.ts";

/** A branch: names, and what is below or at them. */
export interface MetadataTree {
  readonly [name: string]: unknown;
}

/** Names of the kinds of resources that have configs, by their numbers. */
const RESOURCE_NAMES: ReadonlyMap<number, string> = new Map([
  [2, "topic"],
  [4, "broker"],
  [16, "clientMetrics"],
  [32, "group"],
]);
/** The resource that stands for all of its kind. */
const DEFAULT_NAME = "default";

/** Brokers, configs, features, producer ids and topics, each by name. */
export function metadataTree(image: MetadataImage): MetadataTree {
  return {
    brokers: branch([...image.brokers.values()], (broker) => [
      String(broker.id),
      brokerTree(broker),
    ]),
    configs: configsTree(image),
    features: branch([...image.features], (feature) => feature),
    producerIds: { nextProducerId: image.nextProducerId },
    topics: branch([...image.topics.values()], (topic) => [
      topic.name,
      topicTree(topic),
    ]),
  };
}

/** A branch with its names in order; no name is special, not `__proto__`. */
function branch<T>(
  items: readonly T[],
  entryOf: (item: T) => readonly [name: string, below: unknown],
): MetadataTree {
  return Object.fromEntries(
    items.map(entryOf).sort(([a], [b]) => a < b ? -1 : 1),
  );
}

function brokerTree(broker: BrokerImage): MetadataTree {
  return {
    brokerEpoch: broker.epoch,
    incarnationId: broker.incarnationId,
    endPoints: broker.endPoints,
    features: branch([...broker.features], ({ name, ...levels }) => [
      name,
      levels,
    ]),
    rack: broker.rack,
    fenced: broker.isFenced,
    inControlledShutdown: broker.isInControlledShutdown,
    logDirs: broker.logDirs,
  };
}

function topicTree({ id, partitions }: TopicImage): MetadataTree {
  return { topicId: id, ...partitions };
}

function configsTree(image: MetadataImage): MetadataTree {
  const kinds = new Map<string, [string, MetadataTree][]>();
  for (const { type, name, configs } of image.configResources()) {
    const kind = RESOURCE_NAMES.get(type) ?? String(type);
    const resources = kinds.get(kind) ?? [];
    kinds.set(kind, resources);
    resources.push([
      name === "" ? DEFAULT_NAME : name,
      branch([...configs], (config) => config),
    ]);
  }
  return branch([...kinds], ([kind, resources]) => [
    kind,
    branch(resources, (resource) => resource),
  ]);
}
