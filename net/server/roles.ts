/**
 * Which part a node has in its cluster, from the keys that say so. Owns how
 * these keys must fit together, and refuses what doesn't; knows no listener's
 * address.
 *
 * @module
 */
import { isUuid, type Uuid, ZERO_UUID } from "../../core/bytes/uuid.ts";
import { KafkaError } from "../../core/errors.ts";
import type { BrokerConfig } from "../../core/config/resolve.ts";
import type { Address } from "../tcp/transport.ts";

/** A voter as it is configured. */
export interface ConfiguredVoter extends Address {
  readonly id: number;
}

/** The part of one node. */
export interface Roles {
  readonly isBroker: boolean;
  readonly isController: boolean;
  /**
   * Who votes, where that is configured; none on a node that votes alone, or
   * where the metadata log says it, which `servers` have.
   */
  readonly voters: readonly ConfiguredVoter[];
  /** Whom a node asks that isn't told who votes. */
  readonly servers: readonly Address[];
  /** Whether it needs nobody else. */
  readonly isAlone: boolean;
}

function refuse(key: string, text: string, why: string): KafkaError {
  return new KafkaError(
    "INVALID_CONFIG",
    `Invalid value "${text}" for broker config "${key}": ${why}`,
  );
}

/** Reads `ID@HOST:PORT`; undefined when it isn't that. */
export function parseVoter(text: string): ConfiguredVoter | undefined {
  const match = /^(\d{1,10})@(?:\[([^\]]+)\]|([^:\[\]@]+)):(\d{1,5})$/.exec(
    text,
  );
  const id = Number(match?.[1]);
  const port = Number(match?.[4]);
  const isGood = match !== null && id <= 0x7fffffff && port > 0 &&
    port <= 65535;
  return isGood ? { id, host: match[2] ?? match[3]!, port } : undefined;
}

function configuredVoter(text: string): ConfiguredVoter {
  const voter = parseVoter(text);
  if (voter !== undefined) return voter;
  throw refuse("controller.quorum.voters", text, "write ID@HOST:PORT");
}

function parseServer(text: string): Address {
  const match = /^(?:\[([^\]]+)\]|([^:\[\]]+)):(\d{1,5})$/.exec(text);
  const port = Number(match?.[3]);
  if (match === null || port === 0 || port > 65535) {
    const key = "controller.quorum.bootstrap.servers";
    throw refuse(key, text, "write HOST:PORT");
  }
  return { host: match[1] ?? match[2]!, port };
}

/** What the node is. Throws `INVALID_CONFIG` where the keys don't fit. */
export function rolesOf(config: BrokerConfig): Roles {
  const roles = new Set<string>(config["process.roles"]);
  const isBroker = roles.has("broker");
  const isController = roles.has("controller");
  const text = config["process.roles"].join();
  if (roles.size === 0) {
    throw refuse("process.roles", text, "write broker, controller, or both");
  }
  const voters = config["controller.quorum.voters"].map(configuredVoter);
  const servers = config["controller.quorum.bootstrap.servers"]
    .map(parseServer);
  const isUntold = voters.length === 0 && servers.length === 0;
  if (isUntold && roles.size < 2) {
    const why = "it is one part of a cluster, so name the others in " +
      "controller.quorum.voters or controller.quorum.bootstrap.servers";
    throw refuse("process.roles", text, why);
  }
  checkVoters(config, { voters, isController });
  if (!isUntold && config["controller.listener.names"].length === 0) {
    const why = "name the listener at which the controllers are reached";
    throw refuse("controller.listener.names", "", why);
  }
  const isAlone = isController && isBroker && voters.length <= 1 &&
    servers.length === 0;
  return { isBroker, isController, voters, servers, isAlone };
}

function checkVoters(
  config: BrokerConfig,
  { voters, isController }: Pick<Roles, "voters" | "isController">,
): void {
  const key = "controller.quorum.voters";
  const text = config[key].join(",");
  const ids = voters.map(({ id }) => id);
  const twice = ids.find((id, i) => ids.indexOf(id) !== i);
  if (twice !== undefined) {
    throw refuse(key, text, `voter ${twice} is named twice`);
  }
  const nodeId = config["node.id"];
  const isVoter = ids.includes(nodeId);
  if (isController && ids.length > 0 && !isVoter) {
    const why = `node ${nodeId} is a controller, so it must be among them`;
    throw refuse(key, text, why);
  }
  if (!isController && isVoter) {
    const why = `node ${nodeId} is no controller by process.roles, so it ` +
      "must not be among them";
    throw refuse(key, text, why);
  }
}

/**
 * The cluster that a new data folder joins; undefined: one of its own. Nodes
 * that belong together can't each make one up.
 */
export function clusterIdOf(
  config: BrokerConfig,
  { isNew, isFirst }: {
    readonly isNew: boolean;
    /** Whether nobody votes before this node does. */
    readonly isFirst: boolean;
  },
): Uuid | undefined {
  const key = "kf.cluster.id";
  const id = config[key];
  if (id !== null) {
    if (!isUuid(id) || id === ZERO_UUID) {
      throw refuse(key, id, "write 22 characters of base64, as kf prints ids");
    }
    return id;
  }
  const { isController, voters, servers } = rolesOf(config);
  const isOnly = isController && voters.length <= 1 && servers.length === 0;
  if (!isNew || isFirst || isOnly) return undefined;
  throw new KafkaError(
    "INVALID_CONFIG",
    isController
      ? `Cannot make a cluster up on one of several nodes that vote together: give them all the same ${key}`
      : `Cannot make a cluster up on a node that is no controller: give it the ${key} of its controllers, or join them (kf broker --join)`,
  );
}
