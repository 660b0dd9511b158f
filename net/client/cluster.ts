/**
 * A client's view of one cluster: its connections by broker and purpose, its
 * metadata, and requests that are retried with backoff. It must never hold two
 * connections for one broker and purpose.
 *
 * @module
 */
import { backoffMs } from "../../core/client/backoff.ts";
import type { Cancel, Env } from "../../core/env/env.ts";
import {
  errorName,
  isRetriable,
  KafkaError,
  needsRefresh,
} from "../../core/errors.ts";
import type { Decoded, Input, Message } from "../../core/schema/schema.ts";
import { Link, type RequestOptions } from "../link/link.ts";
import type { Address, Transport } from "../tcp/transport.ts";
import { METADATA } from "../wire/03_metadata.ts";
import type { Api } from "../wire/api.ts";
import { Metadata, type MetadataAnswer } from "./metadata.ts";

/** The config keys that every client has. */
export interface CommonValues {
  readonly "bootstrap.servers": readonly string[];
  readonly "client.id": string;
  readonly "connections.max.idle.ms": number;
  readonly "metadata.max.age.ms": number;
  readonly "reconnect.backoff.max.ms": number;
  readonly "reconnect.backoff.ms": number;
  readonly "request.timeout.ms": number;
  readonly "retry.backoff.max.ms": number;
  readonly "retry.backoff.ms": number;
  readonly "socket.connection.setup.timeout.ms": number;
}

/** Purposes that must not queue behind each other. */
export type Lane = "main" | "fetch" | "group";

/** Whom to ask. */
export type Target = number | "any" | "controller";

interface Slot {
  link?: Link;
  opening?: Promise<Link>;
  usedMs: number;
}

interface Attempts {
  failures: number;
  notBeforeMs: number;
}

interface Outage {
  readonly sinceMs: number;
  isTold: boolean;
}

const IDLE_CHECK_MS_MAX = 30_000;
/** A broker that restarts is away so long, and no reason to worry anybody. */
const OUTAGE_TOLD_MS = 3_000;
/** A broker that has owed an answer for so long is not asked if others can be. */
const HANGS_MS = 1_000;

function keyOf({ host, port }: Address): string {
  return `${host}:${port}`;
}

/** Connections and metadata of one client. */
export class Cluster {
  readonly env: Env;
  /** What is known. */
  readonly metadata: Metadata = new Metadata();
  /** Monotonic time of the last metadata answer. */
  refreshedMs = -Infinity;
  readonly #transport: Transport;
  readonly #values: CommonValues;
  readonly #bootstrap: Address[];
  readonly #slots = new Map<string, Slot>();
  readonly #attempts = new Map<string, Attempts>();
  readonly #outages = new Map<string, Outage>();
  #features: { readonly epoch: number; readonly levels: Map<string, number> } =
    { epoch: -Infinity, levels: new Map() };
  readonly #abort = new AbortController();
  #idleTimer: Cancel | undefined;

  constructor(
    { env, transport }: { env: Env; transport: Transport },
    values: CommonValues,
  ) {
    this.env = env;
    this.#transport = transport;
    this.#values = values;
    this.#bootstrap = values["bootstrap.servers"].map(parseAddress);
  }

  /** Whether `close()` was called. */
  get isClosed(): boolean {
    return this.#abort.signal.aborted;
  }

  /** The level of a finalized feature, as the newest connection told; 0 without. */
  featureLevel(name: string): number {
    return this.#features.levels.get(name) ?? 0;
  }

  /** The pause before retry number `attempt`. */
  retryMs(attempt: number): number {
    return backoffMs(attempt, {
      baseMs: this.#values["retry.backoff.ms"],
      maxMs: this.#values["retry.backoff.max.ms"],
      random: this.env.random,
    });
  }

  /** Traces what goes on failing: one warning per outage, and none for a short one. */
  failing(event: string, error: unknown): void {
    const nowMs = this.env.clock.monoMs();
    let outage = this.#outages.get(event);
    if (!outage) {
      this.#outages.set(event, outage = { sinceMs: nowMs, isTold: false });
    }
    const isDue = !outage.isTold && nowMs - outage.sinceMs >= OUTAGE_TOLD_MS;
    if (isDue) outage.isTold = true;
    this.env.trace(isDue ? "warn" : "debug", event, { error });
  }

  /** What was {@linkcode failing} works again. */
  recovered(event: string): void {
    this.#outages.delete(event);
  }

  /** Sleeps; ends early, throwing, when the client is closed. */
  pause(ms: number): Promise<void> {
    return this.env.clock.sleep(ms, this.#abort.signal);
  }

  /** The open connection to a broker, if there is one now. */
  openLink(nodeId: number, lane: Lane = "main"): Link | undefined {
    const slot = this.#slots.get(`${nodeId}/${lane}`);
    if (!slot?.link || slot.link.error) return undefined;
    slot.usedMs = this.env.clock.monoMs();
    return slot.link;
  }

  /** A connection to a broker, opened if need be. */
  link(nodeId: number, lane: Lane = "main"): Promise<Link> {
    const node = this.metadata.brokers.get(nodeId);
    if (!node) {
      return Promise.reject(
        new KafkaError(
          "BROKER_NOT_AVAILABLE",
          `Cannot reach broker ${nodeId}: the cluster does not list it`,
        ),
      );
    }
    return this.#connect(`${nodeId}/${lane}`, node, true);
  }

  /**
   * A connection to any broker: one of those that are known, by chance, or a
   * bootstrap one. Whoever is cut off from the others tells of old leaders for
   * as long as it is asked. Those that hang, or weren't reached, come last.
   */
  async anyLink(): Promise<Link> {
    const ids = [...this.metadata.brokers.keys()];
    const start = ids.length > 0 ? this.env.random.u32() % ids.length : 0;
    ids.push(...ids.splice(0, start));
    const seemsFine = (id: number) => {
      const link = this.#slots.get(`${id}/main`)?.link;
      if (link && !link.error) return link.silentMs < HANGS_MS;
      return !this.#attempts.get(keyOf(this.metadata.brokers.get(id)!))
        ?.failures;
    };
    const fine = ids.filter(seemsFine);
    const others = ids.filter((id) => !fine.includes(id));
    if (ids.length < 2) {
      const keys = ids.map((id) => `${id}/main`)
        .concat(this.#bootstrap.map((_, i) => `bootstrap ${i}`));
      for (const key of keys) {
        const slot = this.#slots.get(key);
        if (!slot?.link || slot.link.error) continue;
        slot.usedMs = this.env.clock.monoMs();
        return slot.link;
      }
    }
    const tries: (() => Promise<Link>)[] = [
      ...[...fine, ...others].map((id) => () => this.link(id)),
      ...this.#bootstrap.map((address, i) => () =>
        this.#connect(`bootstrap ${i}`, address, false)
      ),
    ];
    let failure: unknown;
    for (const dial of tries) {
      try {
        return await dial();
      } catch (error) {
        if (this.isClosed) throw error;
        failure = error;
      }
    }
    throw failure;
  }

  /** One request, not retried. */
  async ask<Req extends Message, Res extends Message>(
    target: Target,
    api: Api<Req, Res>,
    body: Input<Req>,
    options: RequestOptions & { readonly lane?: Lane } = {},
  ): Promise<Decoded<Res>> {
    const { controllerId, brokers } = this.metadata;
    const nodeId = target === "controller" && brokers.has(controllerId)
      ? controllerId
      : target;
    const link = typeof nodeId === "number"
      ? await this.link(nodeId, options.lane)
      : await this.anyLink();
    return await link.request(api, body, options);
  }

  /**
   * Runs `attempt` until it succeeds, fails for good, or time is up. `pauseMs`
   * may ask for another pause than the backoff.
   */
  async retrying<T>(
    timeoutMs: number,
    attempt: (remainingMs: number) => Promise<T>,
    { pauseMs }: {
      readonly pauseMs?: (error: KafkaError) => number | undefined;
    } = {},
  ): Promise<T> {
    const deadlineMs = this.env.clock.monoMs() + timeoutMs;
    for (let failures = 0;; failures++) {
      const remainingMs = Math.max(1, deadlineMs - this.env.clock.monoMs());
      try {
        return await attempt(remainingMs);
      } catch (error) {
        if (!(error instanceof KafkaError) || this.isClosed) throw error;
        const waitMs = pauseMs?.(error) ?? this.retryMs(failures);
        const isLate = this.env.clock.monoMs() + waitMs >= deadlineMs;
        if (!isTransient(error) || isLate) throw error;
        this.env.trace("debug", "Request failed, will be retried", {
          error: error.message,
        });
        await this.pause(waitMs);
      }
    }
  }

  /** Asks for metadata: of `topics`, or of all when `null`. */
  async refresh(
    topics: readonly string[] | null,
    { allowCreate = false }: { readonly allowCreate?: boolean } = {},
  ): Promise<MetadataAnswer> {
    const answer = await this.ask("any", METADATA, {
      topics: topics?.map((name) => ({ name })) ?? null,
      allowAutoTopicCreation: allowCreate,
    });
    this.metadata.update(answer, topics === null);
    this.refreshedMs = this.env.clock.monoMs();
    return answer;
  }

  /** Closes every connection. Idempotent. */
  close(): void {
    this.#abort.abort(closedError());
    this.#idleTimer?.();
    this.#idleTimer = undefined;
    for (const { link } of this.#slots.values()) link?.close();
    this.#slots.clear();
  }

  #connect(
    key: string,
    address: Address,
    isAdvertised: boolean,
  ): Promise<Link> {
    if (this.isClosed) return Promise.reject(closedError());
    let slot = this.#slots.get(key);
    if (!slot) this.#slots.set(key, slot = { usedMs: 0 });
    slot.usedMs = this.env.clock.monoMs();
    if (slot.link && !slot.link.error) {
      const { host, port } = slot.link.address;
      if (host === address.host && port === address.port) {
        return Promise.resolve(slot.link);
      }
      slot.link.close();
    }
    return slot.opening ??= this.#open(slot, address, isAdvertised);
  }

  async #open(
    slot: Slot,
    address: Address,
    isAdvertised: boolean,
  ): Promise<Link> {
    const key = keyOf(address);
    const { clock } = this.env;
    const attempts = this.#attempts.get(key) ?? { failures: 0, notBeforeMs: 0 };
    this.#attempts.set(key, attempts);
    try {
      const waitMs = attempts.notBeforeMs - clock.monoMs();
      if (waitMs > 0) await this.pause(waitMs);
      const link = await Link.open({
        env: this.env,
        transport: this.#transport,
        address,
        isAdvertised,
        clientId: this.#values["client.id"],
        connectTimeoutMs: this.#values["socket.connection.setup.timeout.ms"],
        requestTimeoutMs: this.#values["request.timeout.ms"],
      });
      if (this.isClosed) {
        link.close();
        throw closedError();
      }
      attempts.failures = 0;
      slot.link = link;
      this.#learnFeatures(link);
      this.#watchIdle();
      return link;
    } catch (error) {
      attempts.notBeforeMs = clock.monoMs() + backoffMs(attempts.failures++, {
        baseMs: this.#values["reconnect.backoff.ms"],
        maxMs: this.#values["reconnect.backoff.max.ms"],
        random: this.env.random,
      });
      throw error;
    } finally {
      delete slot.opening;
    }
  }

  #learnFeatures({ negotiated }: Link): void {
    const epoch = negotiated.finalizedFeaturesEpoch;
    if (epoch < this.#features.epoch) return;
    const levels = new Map(
      negotiated.finalizedFeatures.map((f) => [f.name, f.maxVersionLevel]),
    );
    this.#features = { epoch, levels };
  }

  #watchIdle(): void {
    const idleMs = this.#values["connections.max.idle.ms"];
    if (this.#idleTimer || idleMs < 0) return;
    this.#idleTimer = this.env.clock.timer(
      Math.min(Math.max(idleMs, 1), IDLE_CHECK_MS_MAX),
      () => {
        this.#idleTimer = undefined;
        const beforeMs = this.env.clock.monoMs() - idleMs;
        for (const [key, { link, usedMs, opening }] of this.#slots) {
          if (opening) continue;
          if (link && !link.error && link.inFlight > 0) continue;
          if (link && !link.error && usedMs > beforeMs) continue;
          link?.close();
          this.#slots.delete(key);
        }
        if (this.#slots.size > 0) this.#watchIdle();
      },
    );
  }
}

/** Whether waiting may help. */
export function isTransient(error: KafkaError): boolean {
  return isRetriable(error.code) || needsRefresh(error.code) ||
    error.error === "BROKER_NOT_AVAILABLE" ||
    // The next heartbeat brings the epoch (KIP-848).
    error.error === "STALE_MEMBER_EPOCH" ||
    error.error === "REBALANCE_IN_PROGRESS";
}

/** The error of `code`, worded for people. */
export function kafkaError(
  code: number,
  what: string,
  detail?: string | null,
): KafkaError {
  const name = errorName(code);
  return new KafkaError(name, `${what}: ${detail || name}`);
}

/** Reads `host:port`, with brackets around an IPv6 address. */
function parseAddress(text: string): Address {
  const match = /^(?:\[([^\]]+)\]|([^:\s]+)):(\d{1,5})$/.exec(text.trim());
  const port = Number(match?.[3]);
  if (!match || port < 1 || port > 65535) {
    throw new KafkaError(
      "INVALID_CONFIG",
      `Invalid address "${text}" in bootstrap.servers: write HOST:PORT`,
    );
  }
  return { host: (match[1] ?? match[2])!, port };
}

function closedError(): KafkaError {
  return new KafkaError("NETWORK_EXCEPTION", "The client is closed");
}
