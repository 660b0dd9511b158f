/**
 * The image as a tree for people: what was ZooKeeper's nodes. Owns the names of
 * its branches; each is an object, so that a path leads down to any value.
 *
 * @module
 */
import type { BrokerImage, MetadataImage, TopicImage } from "./image.ts";
import type { QuotaEntity } from "./quota_entity.ts";
import { SCRAM_HASHES, shownCredential } from "./scram.ts";

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

/** Kinds of entities that have quotas, in the order of their names. */
const ENTITY_NAMES: ReadonlyMap<string, string> = new Map([
  ["client-id", "clientId"],
  ["ip", "ip"],
  ["user", "user"],
]);

/** All there is of the cluster, each by name; secrets are not shown. */
export function metadataTree(image: MetadataImage): MetadataTree {
  return {
    acls: branch([...image.acls.values()], ({ id, ...entry }) => [id, entry]),
    brokers: branch([...image.brokers.values()], (broker) => [
      String(broker.id),
      brokerTree(broker),
    ]),
    clientQuotas: branch([...image.quotas.values()], ({ entity, values }) => [
      entityName(entity),
      branch([...values], (quota) => quota),
    ]),
    configs: configsTree(image),
    controllers: branch([...image.controllers.values()], (controller) => {
      const { controllerId, features, ...rest } = controller;
      return [String(controllerId), { ...rest, features: levels(features) }];
    }),
    delegationTokens: branch(
      [...image.delegationTokens.values()],
      ({ tokenId, ...token }) => [tokenId, token],
    ),
    features: branch([...image.features], (feature) => feature),
    producerIds: { nextProducerId: image.nextProducerId },
    scram: scramTree(image),
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
    features: levels(broker.features),
    rack: broker.rack,
    fenced: broker.isFenced,
    inControlledShutdown: broker.isInControlledShutdown,
    logDirs: broker.logDirs,
    cordonedLogDirs: broker.cordonedLogDirs,
  };
}

function levels(features: BrokerImage["features"]): MetadataTree {
  return branch(features, ({ name, ...range }) => [name, range]);
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

/** `clientId(NAME)_user(NAME)`; nothing between the brackets is the default. */
function entityName(entity: QuotaEntity): string {
  return Array.from(ENTITY_NAMES, ([type, shown]) => {
    const part = entity.find(({ entityType }) => entityType === type);
    const name = part?.entityName ?? "";
    return part && `${shown}(${name.replace(/[\\()]/g, "\\$&")})`;
  }).filter((part) => part !== undefined).join("_");
}

/** Users that have a credential, by its mechanism. */
function scramTree(image: MetadataImage): MetadataTree {
  const users = [...image.scramCredentials];
  return branch([...SCRAM_HASHES], ([mechanism, hash]) => [
    `SCRAM-${hash}`,
    branch(
      users.flatMap(([user, credentials]) => {
        const credential = credentials.get(mechanism);
        return credential ? [[user, shownCredential(credential)] as const] : [];
      }),
      (user) => user,
    ),
  ]);
}
