/**
 * Listener texts such as `PLAINTEXT://host:9092`: what is bound, and where
 * clients are told to connect; and where HTTP is served. Owns the parsing and the choice; opens nothing.
 *
 * @module
 */
import { KafkaError } from "../../core/errors.ts";
import type { BrokerConfig } from "../../core/config/resolve.ts";
import type { Address } from "../tcp/transport.ts";

const PORT_MAX = 65535;
const ANY_HOSTS: ReadonlySet<string> = new Set(["", "0.0.0.0", "::"]);

/** The name of the one listener there is. */
export const LISTENER_NAME = "PLAINTEXT";

function parse(text: string, key: string): Address {
  const match = /^([A-Z0-9_]+):\/\/(?:\[([^\]]*)\]|([^:\[\]]*)):(\d{1,5})$/i
    .exec(text.trim());
  const port = Number(match?.[4]);
  if (match === null || port > PORT_MAX) {
    throw new KafkaError(
      "INVALID_CONFIG",
      `Invalid value "${text}" for broker config "${key}": write PLAINTEXT://HOST:PORT`,
    );
  }
  if (match[1]!.toUpperCase() !== LISTENER_NAME) {
    throw new KafkaError(
      "INVALID_CONFIG",
      `Invalid value "${text}" for broker config "${key}": only PLAINTEXT listeners are served`,
    );
  }
  return { host: match[2] ?? match[3]!, port };
}

/** Where HTTP is served; undefined when it is off. */
export function httpAddress(config: BrokerConfig): Address | undefined {
  const text = config["kf.http.listener"];
  if (text === "off") return undefined;
  const match = /^(?:\[([^\]]+)\]|([^:\[\]]+)):(\d{1,5})$/.exec(text);
  const port = Number(match?.[3]);
  if (match === null || port > PORT_MAX) {
    throw new KafkaError(
      "INVALID_CONFIG",
      `Invalid value "${text}" for broker config "kf.http.listener": write HOST:PORT, or off`,
    );
  }
  return { host: match[1] ?? match[2]!, port };
}

function only(texts: readonly string[], key: string): string | undefined {
  if (texts.length <= 1) return texts[0];
  throw new KafkaError(
    "INVALID_CONFIG",
    `Invalid value "${
      texts.join(",")
    }" for broker config "${key}": one listener is served`,
  );
}

/** Where to listen; no host means every interface. */
export function bindAddress(config: BrokerConfig): Address {
  const text = only(config.listeners, "listeners");
  if (text === undefined) {
    throw new KafkaError(
      "INVALID_CONFIG",
      `Invalid value "" for broker config "listeners": name one`,
    );
  }
  const { host, port } = parse(text, "listeners");
  return { host: host === "" ? "0.0.0.0" : host, port };
}

/**
 * Where clients are told to connect, if the config says so: undefined means
 * the address at which a client reached us.
 */
export function advertisedAddress(
  config: BrokerConfig,
  bound: Address,
): Address | undefined {
  const text = only(config["advertised.listeners"], "advertised.listeners");
  if (text === undefined) return undefined;
  const { host, port } = parse(text, "advertised.listeners");
  if (ANY_HOSTS.has(host)) {
    throw new KafkaError(
      "INVALID_CONFIG",
      `Invalid value "${text}" for broker config "advertised.listeners": clients can't connect to every interface, name a host`,
    );
  }
  return { host, port: port === 0 ? bound.port : port };
}

/** A concrete endpoint for the registration, whatever is bound. */
export function registeredAddress(
  advertised: Address | undefined,
  bound: Address,
): Address {
  if (advertised !== undefined) return advertised;
  const host = ANY_HOSTS.has(bound.host) ? "localhost" : bound.host;
  return { host, port: bound.port };
}
