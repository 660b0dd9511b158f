/**
 * Listener texts such as `PLAINTEXT://host:9092`: what is bound, and where
 * clients and peers are told to connect; and where HTTP is served. Owns the
 * parsing and the choice; opens nothing.
 *
 * @module
 */
import { KafkaError } from "../../core/errors.ts";
import type { BrokerConfig } from "../../core/config/resolve.ts";
import type { BrokerEndpoint } from "../../core/metadata/image.ts";
import type { Address } from "../tcp/transport.ts";
import { rolesOf } from "./roles.ts";

const PORT_MAX = 65535;
const ANY_HOSTS: ReadonlySet<string> = new Set(["", "0.0.0.0", "::"]);
const PLAINTEXT = "PLAINTEXT";
/** Number of the one security protocol that is served. */
const PLAINTEXT_ID = 0;

/** One listener of a node. */
export interface ListenerPlan {
  readonly name: string;
  /** What is bound; port 0 takes a free one. */
  readonly bind: Address;
  /**
   * Where others are told to connect, if the config says so: undefined means
   * the address at which they reached us. Port 0 means the bound one.
   */
  readonly advertised: Address | undefined;
  /** Whether the quorum and brokers are served on it, instead of clients. */
  readonly isController: boolean;
}

/** A listener that is bound. */
export interface BoundListener extends ListenerPlan {
  /** With the real port. */
  readonly address: Address;
}

interface NamedAddress extends Address {
  readonly name: string;
}

function invalid(key: string, text: string, why: string): KafkaError {
  return new KafkaError(
    "INVALID_CONFIG",
    `Invalid value "${text}" for broker config "${key}": ${why}`,
  );
}

function parse(text: string, key: string): NamedAddress {
  const match = /^([A-Z0-9_]+):\/\/(?:\[([^\]]*)\]|([^:\[\]]*)):(\d{1,5})$/i
    .exec(text.trim());
  const port = Number(match?.[4]);
  if (match === null || port > PORT_MAX) {
    throw invalid(key, text, "write PLAINTEXT://HOST:PORT");
  }
  const name = match[1]!.toUpperCase();
  return { name, host: match[2] ?? match[3]!, port };
}

function parseAll(config: BrokerConfig, key: ListenerKey): NamedAddress[] {
  const found = config[key].map((text) => parse(text, key));
  const names = found.map(({ name }) => name);
  const twice = names.find((name, i) => names.indexOf(name) !== i);
  if (twice !== undefined) {
    const why = `the listener ${twice} is named twice`;
    throw invalid(key, config[key].join(","), why);
  }
  return found;
}

type ListenerKey = "listeners" | "advertised.listeners";

/** Where HTTP is served; undefined when it is off. */
export function httpAddress(config: BrokerConfig): Address | undefined {
  const text = config["kf.http.listener"];
  if (text === "off") return undefined;
  const match = /^(?:\[([^\]]+)\]|([^:\[\]]+)):(\d{1,5})$/.exec(text);
  const port = Number(match?.[3]);
  if (match === null || port > PORT_MAX) {
    throw invalid("kf.http.listener", text, "write HOST:PORT, or off");
  }
  return { host: match[1] ?? match[2]!, port };
}

/** All listeners in the order of the config; throws `INVALID_CONFIG`. */
export function listenersOf(config: BrokerConfig): ListenerPlan[] {
  const bound = parseAll(config, "listeners");
  const advertised = parseAll(config, "advertised.listeners");
  const controllers = config["controller.listener.names"]
    .map((name) => name.toUpperCase());
  checkProtocols(config, { bound, controllers });
  for (const { name, host } of advertised) {
    const text = config["advertised.listeners"].join(",");
    if (!bound.some((listener) => listener.name === name)) {
      const why = `there is no listener ${name} in "listeners"`;
      throw invalid("advertised.listeners", text, why);
    }
    if (ANY_HOSTS.has(host)) {
      const why = "clients can't connect to every interface, name a host";
      throw invalid("advertised.listeners", text, why);
    }
  }
  const plans = bound.map(({ name, host, port }) => ({
    name,
    bind: { host: host === "" ? "0.0.0.0" : host, port },
    advertised: advertised.find((other) => other.name === name),
    isController: controllers.includes(name),
  }));
  checkKinds(config, plans);
  return plans;
}

/** Every listener must speak what is served. */
function checkProtocols(
  config: BrokerConfig,
  { bound, controllers }: {
    readonly bound: readonly NamedAddress[];
    readonly controllers: readonly string[];
  },
): void {
  const key = "listener.security.protocol.map";
  const texts = config[key];
  const protocols = new Map([[PLAINTEXT, PLAINTEXT]]);
  for (const text of texts) {
    const match = /^([A-Z0-9_]+):([A-Z_]+)$/i.exec(text);
    if (match === null) throw invalid(key, text, "write NAME:PLAINTEXT");
    protocols.set(match[1]!.toUpperCase(), match[2]!.toUpperCase());
  }
  // A controller's listener needs no entry while none is written.
  if (texts.length === 0) {
    for (const name of controllers) protocols.set(name, PLAINTEXT);
  }
  for (const { name } of bound) {
    const protocol = protocols.get(name);
    if (protocol === PLAINTEXT) continue;
    const text = config.listeners.join(",");
    throw invalid(
      "listeners",
      text,
      protocol === undefined && name !== "SSL" && !name.startsWith("SASL_")
        ? `what ${name} speaks isn't said: add ${name}:PLAINTEXT to ${key}`
        : "only PLAINTEXT listeners are served",
    );
  }
}

/** Which listeners there are follows from the roles. */
function checkKinds(
  config: BrokerConfig,
  plans: readonly ListenerPlan[],
): void {
  const { isBroker, isController } = rolesOf(config);
  const text = config.listeners.join(",");
  const names = config["controller.listener.names"];
  for (const name of names) {
    const has = plans.some((plan) => plan.name === name.toUpperCase());
    if (has === isController) continue;
    const why = has
      ? "this node is no controller by process.roles, so it has no such " +
        `listener; take ${name} out of "listeners"`
      : `there is no listener ${name} in "listeners"`;
    throw invalid("controller.listener.names", name, why);
  }
  const ofClients = plans.find(({ isController }) => !isController);
  if (!isBroker) {
    if (ofClients === undefined) return;
    const why = "this node is no broker by process.roles, so " +
      `${ofClients.name} must be among controller.listener.names`;
    throw invalid("listeners", text, why);
  }
  if (ofClients === undefined) {
    throw invalid("listeners", text, "name one for clients");
  }
  const name = interBrokerName(config);
  const plan = plans.find((plan) => plan.name === name);
  if (plan === undefined || plan.isController) {
    const why = plan === undefined
      ? `there is no such listener in "listeners"`
      : "it is a controller's";
    throw invalid("inter.broker.listener.name", name, why);
  }
}

/** Where others reach a listener: as advertised, or at its `own` address. */
function reachedAt(
  { name, bind, advertised }: ListenerPlan,
  own: Address | undefined,
): NamedAddress | undefined {
  const host = advertised?.host ?? own?.host ?? bind.host;
  if (ANY_HOSTS.has(host)) return undefined;
  return { name, host, port: advertised?.port || own?.port || bind.port };
}

/**
 * Where other nodes reach the controller's listeners; one on every interface
 * is at `own` host, as the voters are configured, or must be advertised.
 */
export function voterEndpoints(
  config: BrokerConfig,
  own: Address | undefined,
): NamedAddress[] {
  return listenersOf(config).filter(({ isController }) => isController)
    .map((plan) => {
      const endpoint = reachedAt(plan, own);
      if (endpoint !== undefined) return endpoint;
      throw new KafkaError(
        "INVALID_CONFIG",
        `Cannot vote with the listener ${plan.name} on every interface: say with advertised.listeners at which host the others reach it`,
      );
    });
}

/** Where brokers reach a controller that votes alone, if it lets them. */
export function loneAddress(config: BrokerConfig): Address | undefined {
  const plan = listenersOf(config).find(({ isController }) => isController);
  return plan && reachedAt(plan, undefined);
}

/** Name of the listener at which brokers reach each other. */
export function interBrokerName(config: BrokerConfig): string {
  return config["inter.broker.listener.name"].toUpperCase();
}

/** Where others are told to connect; undefined: where they reached us. */
export function advertisedAddress(
  { advertised, address }: BoundListener,
): Address | undefined {
  if (advertised === undefined) return undefined;
  const { host, port } = advertised;
  return { host, port: port === 0 ? address.port : port };
}

/** Concrete endpoints for the registration, whatever is bound. */
export function registeredEndpoints(
  listeners: readonly BoundListener[],
): BrokerEndpoint[] {
  return listeners.filter(({ isController }) => !isController)
    .map((listener) => {
      const { name, address } = listener;
      const { host, port } = advertisedAddress(listener) ?? {
        host: ANY_HOSTS.has(address.host) ? "localhost" : address.host,
        port: address.port,
      };
      return { name, host, port, securityProtocol: PLAINTEXT_ID };
    });
}

/** Endpoints of a controller; others know it from who votes, if they do. */
export function controllerEndpoints(
  listeners: readonly BoundListener[],
  voter: Address | undefined,
): BrokerEndpoint[] {
  return listeners.filter(({ isController }) => isController)
    .map((listener, i) => {
      const { name, address } = listener;
      const isAny = ANY_HOSTS.has(address.host);
      const { host, port } = advertisedAddress(listener) ??
        (i === 0 ? voter : undefined) ??
        { host: isAny ? "localhost" : address.host, port: address.port };
      return { name, host, port, securityProtocol: PLAINTEXT_ID };
    });
}

/**
 * Refuses a listener whose address the others can't know. Told without need
 * of another node: `localhost` is each of them.
 */
export function checkReachable(plans: readonly ListenerPlan[]): void {
  for (const { name, bind, advertised, isController } of plans) {
    const isKnown = isController || advertised !== undefined ||
      !ANY_HOSTS.has(bind.host);
    if (isKnown) continue;
    throw new KafkaError(
      "INVALID_CONFIG",
      `Cannot join others with the listener ${name} on every interface: say with advertised.listeners at which host they reach it`,
    );
  }
}
