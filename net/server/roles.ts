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

/** A voter as it is configured. */
export interface ConfiguredVoter {
  readonly id: number;
  readonly host: string;
  readonly port: number;
}

function refuse(key: string, text: string, why: string): KafkaError {
  return new KafkaError(
    "INVALID_CONFIG",
    `Invalid value "${text}" for broker config "${key}": ${why}`,
  );
}

function parseVoter(text: string): ConfiguredVoter {
  const match = /^(\d{1,10})@(?:\[([^\]]+)\]|([^:\[\]@]+)):(\d{1,5})$/.exec(
    text,
  );
  const id = Number(match?.[1]);
  const port = Number(match?.[4]);
  const isGood = match !== null && id <= 0x7fffffff && port > 0 &&
    port <= 65535;
  if (!isGood) {
    throw refuse("controller.quorum.voters", text, "write ID@HOST:PORT");
  }
  return { id, host: match[2] ?? match[3]!, port };
}

/** Who votes; none: this node alone. Throws `INVALID_CONFIG`. */
export function votersOf(config: BrokerConfig): ConfiguredVoter[] {
  const roles = config["process.roles"];
  if (new Set(roles).size < 2) {
    const why = "write broker,controller: a node is both";
    throw refuse("process.roles", roles.join(","), why);
  }
  const key = "controller.quorum.voters";
  const text = config[key].join(",");
  const voters = config[key].map(parseVoter);
  const ids = voters.map(({ id }) => id);
  const twice = ids.find((id, i) => ids.indexOf(id) !== i);
  if (twice !== undefined) {
    throw refuse(key, text, `voter ${twice} is named twice`);
  }
  if (voters.length === 0) return voters;
  const nodeId = config["node.id"];
  if (!ids.includes(nodeId)) {
    const why = `node ${nodeId} is a controller, so it must be among them`;
    throw refuse(key, text, why);
  }
  if (config["controller.listener.names"].length === 0) {
    const why = "name the listener at which other voters reach this one";
    throw refuse("controller.listener.names", "", why);
  }
  return voters;
}

/** Where the quorum is looked for. Throws `INVALID_CONFIG`. */
export function bootstrapServersOf(
  config: BrokerConfig,
): { readonly host: string; readonly port: number }[] {
  const key = "controller.quorum.bootstrap.servers";
  return config[key].map((text) => {
    const match = /^(?:\[([^\]]+)\]|([^:\[\]]+)):(\d{1,5})$/.exec(text);
    const port = Number(match?.[3]);
    if (match === null || port === 0 || port > 65535) {
      throw refuse(key, text, "write HOST:PORT");
    }
    return { host: match[1] ?? match[2]!, port };
  });
}

/**
 * The cluster that a new data folder joins; undefined: one of its own. Nodes
 * that vote together can't each make one up.
 */
export function clusterIdOf(
  config: BrokerConfig,
  { isNew }: { readonly isNew: boolean },
): Uuid | undefined {
  const key = "kf.cluster.id";
  const id = config[key];
  if (id !== null) {
    if (!isUuid(id) || id === ZERO_UUID) {
      throw refuse(key, id, "write 22 characters of base64, as kf prints ids");
    }
    return id;
  }
  const voters = votersOf(config).length;
  if (!isNew || voters <= 1) return undefined;
  throw new KafkaError(
    "INVALID_CONFIG",
    `Cannot make a cluster up on one of ${voters} nodes that vote together: give them all the same ${key}`,
  );
}
