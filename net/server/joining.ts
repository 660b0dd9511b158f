/**
 * How a node joins a cluster that runs: what it learns from any node of it, and
 * the id that it takes there. Owns the checks before the start, each with what
 * to do; starts nothing itself.
 *
 * @module
 */
import { uuidFromRandom } from "../../core/bytes/uuid.ts";
import {
  type BrokerConfig,
  resolveBrokerConfig,
} from "../../core/config/resolve.ts";
import type { Env } from "../../core/env/env.ts";
import { errorName, KafkaError, messageOf } from "../../core/errors.ts";
import { addressText } from "../../core/ids.ts";
import { readText } from "../../core/log/checkpoint.ts";
import { parseMeta } from "../../core/log/folder_files.ts";
import {
  supportedFeatures,
  unsupportedLevel,
} from "../../core/metadata/features.ts";
import type {
  BrokerEndpoint,
  MetadataImage,
} from "../../core/metadata/image.ts";
import { MetadataReplay } from "../../core/metadata/replay.ts";
import { Link } from "../link/link.ts";
import { type FoundQuorum, QuorumReader } from "../raft/quorum_reader.ts";
import type { Address, Transport } from "../tcp/transport.ts";
import { BROKER_REGISTRATION } from "../wire/62_broker_registration.ts";
import type { Identity, Joining } from "./joined_note.ts";
import { dataPath } from "./node_folder.ts";
import {
  checkReachable,
  interBrokerName,
  listenersOf,
  registeredEndpoints,
} from "./listener.ts";

/** How a node is to join. */
export interface JoinOptions {
  readonly env: Env;
  readonly transport: Transport;
  /** Any node of the cluster: a broker's listener or a controller's. */
  readonly at: Address;
  /** What was given: it goes before what is learned. */
  readonly given: ReadonlyMap<string, string>;
}

const CONNECT_TIMEOUT_MS = 5_000;
const REQUEST_TIMEOUT_MS = 10_000;
/** How long a quorum that elects is waited for. */
const READ_TIMEOUT_MS = 30_000;
/** How often another node may be faster to take an id. */
const ATTEMPTS = 100;

/** Learns what a node needs to start as a broker of the cluster. */
export async function join(options: JoinOptions): Promise<Joining> {
  const { env, at, given } = options;
  const config = ownConfig(options);
  const listeners = endpointsOf(options, config);
  const reader = new QuorumReader({
    clock: env.clock,
    at,
    timeoutMs: READ_TIMEOUT_MS,
    connect: (address) => connect(options, address),
  });
  try {
    let replay = new MetadataReplay();
    await reader.read({
      restart: () => void (replay = new MetadataReplay()),
      take: (values) => replay.take(values),
    });
    const { image } = replay;
    const quorum = await reader.find();
    checkFeatures(image);
    const kept = keptIn(options, config, quorum);
    await checkReplication(options, { config, image });
    const wanted = kept ?? given.get("node.id");
    const registered = kept !== undefined ? undefined : await takeId(options, {
      config,
      image,
      quorum,
      leader: reader.link,
      listeners,
      wanted: wanted === undefined ? undefined : Number(wanted),
    });
    return {
      learned: learnedOf({
        quorum,
        nodeId: kept ?? String(registered!.nodeId),
        given,
      }),
      identity: registered,
    };
  } catch (error) {
    throw refusalOf(error, at);
  } finally {
    reader.close();
  }
}

/** The config as far as it is known before anybody is asked. */
function ownConfig({ at, given }: JoinOptions): BrokerConfig {
  const roles = given.get("process.roles") ?? "broker";
  if (roles.split(",").some((role) => role.trim() !== "broker")) {
    throw new KafkaError(
      "INVALID_CONFIG",
      `Cannot join as "${roles}": --join starts a broker; controllers are named in controller.quorum.voters of all nodes`,
    );
  }
  const config = resolveBrokerConfig(
    new Map([
      ["process.roles", "broker"],
      ["controller.listener.names", "CONTROLLER"],
      ["controller.quorum.bootstrap.servers", addressText(at)],
      ...given,
    ]),
  );
  checkReachable(listenersOf(config));
  return config;
}

/** Where it will be reached; a port that is taken is found out before all. */
function endpointsOf(
  { transport }: JoinOptions,
  config: BrokerConfig,
): BrokerEndpoint[] {
  return registeredEndpoints(
    listenersOf(config).map((plan) => {
      const listener = transport.listen(plan.bind);
      listener.close();
      return { ...plan, address: listener.address };
    }),
  );
}

function connect(
  { env, transport }: JoinOptions,
  address: Address,
): Promise<Link> {
  return Link.open({
    env,
    transport,
    address,
    clientId: "kf-join",
    isAdvertised: false,
    connectTimeoutMs: CONNECT_TIMEOUT_MS,
    requestTimeoutMs: REQUEST_TIMEOUT_MS,
  });
}

/** The id of the node whose folder it is; undefined for a new folder. */
function keptIn(
  { env: { disk }, given }: JoinOptions,
  config: BrokerConfig,
  { clusterId }: FoundQuorum,
): string | undefined {
  const wanted = given.get("kf.cluster.id");
  if (wanted !== undefined && wanted !== clusterId) {
    throw new Error(
      `it belongs to cluster ${clusterId}, not to ${wanted}, which was asked for`,
    );
  }
  const path = dataPath(config);
  const meta = parseMeta(readText(disk, `${path}/meta.properties`) ?? "");
  if (meta === undefined) return undefined;
  if (meta.clusterId === clusterId) return meta.nodeId;
  throw new Error(
    `data folder "${path}" belongs to cluster ${meta.clusterId}, not to ${clusterId}; name another folder with --data`,
  );
}

/** No controller registers a broker that can't take the cluster's levels. */
function checkFeatures({ features }: MetadataImage): void {
  for (const [name, level] of features) {
    const why = unsupportedLevel(name, level);
    if (why === undefined) continue;
    throw new Error(
      `its ${why}. Lower it with kafka-features, where that can be done`,
    );
  }
}

/** Replicas go from broker to broker: the others must be within reach. */
async function checkReplication(
  options: JoinOptions,
  { config, image }: {
    readonly config: BrokerConfig;
    readonly image: MetadataImage;
  },
): Promise<void> {
  const name = interBrokerName(config);
  const brokers = [...image.brokers.values()].filter((each) => !each.isFenced);
  let why = "";
  for (const { id, endPoints } of brokers) {
    const endpoint = endPoints.find((each) => each.name === name);
    if (endpoint === undefined) {
      const names = endPoints.map((each) => each.name).join(", ");
      why = `broker ${id} has no listener ${name} for replication, only ` +
        `${names}; say with inter.broker.listener.name at which brokers meet`;
      continue;
    }
    try {
      const link = await connect(options, endpoint);
      link.close();
      return;
    } catch (error) {
      why = `broker ${id} can't be reached for replication at ` +
        `${addressText(endpoint)}: ${messageOf(error)}. See what it advertises`;
    }
  }
  if (why !== "") throw new Error(why);
}

/** Registers under an id that nobody has, so that nobody else takes it. */
async function takeId(
  { env }: JoinOptions,
  { config, image, quorum, leader, listeners, wanted }: {
    readonly config: BrokerConfig;
    readonly image: MetadataImage;
    readonly quorum: FoundQuorum;
    readonly leader: Link;
    readonly listeners: readonly BrokerEndpoint[];
    readonly wanted: number | undefined;
  },
): Promise<Identity & { readonly nodeId: number }> {
  const controllers = quorum.controllers.map(({ id }) => id);
  if (wanted !== undefined && controllers.includes(wanted)) {
    throw new Error(
      `node id ${wanted} is a controller's; give another with --node-id, or none`,
    );
  }
  const identity = {
    incarnationId: uuidFromRandom(env.random),
    directoryId: uuidFromRandom(env.random),
  };
  const known = [
    ...controllers,
    ...image.controllers.keys(),
    ...image.brokers.keys(),
  ];
  const firstId = wanted ?? Math.max(0, ...known) + 1;
  for (let nodeId = firstId; nodeId < firstId + ATTEMPTS; nodeId++) {
    const { errorCode } = await leader.request(BROKER_REGISTRATION, {
      brokerId: nodeId,
      clusterId: quorum.clusterId,
      incarnationId: identity.incarnationId,
      listeners: [...listeners],
      features: supportedFeatures(),
      rack: config["broker.rack"],
      logDirs: [identity.directoryId],
    });
    const error = errorName(errorCode);
    if (error === "NONE") return { ...identity, nodeId };
    if (error !== "DUPLICATE_BROKER_REGISTRATION") {
      throw new KafkaError(
        error,
        `the controller doesn't register broker ${nodeId}: ${error}`,
      );
    }
    if (wanted === undefined) continue;
    throw new Error(
      `node id ${wanted} is in use by a broker that was heard of just now; give another with --node-id, or none`,
    );
  }
  throw new Error(`no node id from ${firstId} on is free`);
}

function learnedOf(
  { quorum: { clusterId, listenerName, controllers }, nodeId, given }: {
    readonly quorum: FoundQuorum;
    readonly nodeId: string;
    readonly given: ReadonlyMap<string, string>;
  },
): ReadonlyMap<string, string> {
  const listens = ["listeners", "advertised.listeners"].flatMap((key) => {
    const value = given.get(key);
    return value === undefined ? [] : [[key, value] as const];
  });
  return new Map([
    ["process.roles", "broker"],
    ["node.id", nodeId],
    ["kf.cluster.id", clusterId],
    ["controller.listener.names", listenerName],
    [
      "controller.quorum.bootstrap.servers",
      controllers.map(addressText).join(),
    ],
    ...listens,
  ]);
}

function refusalOf(error: unknown, at: Address): unknown {
  const isTold = error instanceof Error &&
    (!(error instanceof KafkaError) || error.error !== "INVALID_CONFIG");
  if (!isTold) return error;
  const remedy = "step" in error
    ? ". Name another node of the cluster with --join"
    : "";
  const text = `Cannot join the cluster at ${
    addressText(at)
  }: ${error.message}${remedy}`;
  return error instanceof KafkaError
    ? new KafkaError(error.error, text, { cause: error })
    : new Error(text, { cause: error });
}
