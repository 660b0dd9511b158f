/**
 * One outbound connection: dials, negotiates versions, correlates answers with
 * requests in order, times out, fails what is pending when it ends. It must
 * never retry: that is for whoever holds it.
 *
 * @module
 */
import config from "../../deno.json" with { type: "json" };
import type { Cancel, Env } from "../../core/env/env.ts";
import { errorName, ERRORS, KafkaError, messageOf } from "../../core/errors.ts";
import { addressText } from "../../core/ids.ts";
import { LIMITS } from "../../core/limits.ts";
import { VersionError } from "../../core/schema/codec.ts";
import type {
  Decoded,
  Input,
  Message,
  Versions,
} from "../../core/schema/schema.ts";
import {
  type Address,
  type Connection,
  DialError,
  type Transport,
} from "../tcp/transport.ts";
import { API_VERSIONS } from "../wire/18_api_versions.ts";
import type { Api } from "../wire/api.ts";
import {
  correlationIdOf,
  decodeResponse,
  encodeRequest,
} from "../wire/headers.ts";
import { FrameReader } from "./frame_reader.ts";
import { LinkError } from "./link_error.ts";

/** How to open a {@linkcode Link}. */
export interface LinkOptions {
  readonly env: Env;
  readonly transport: Transport;
  readonly address: Address;
  readonly clientId: string;
  /** Whether a broker named this address, which errors then say. */
  readonly isAdvertised: boolean;
  readonly connectTimeoutMs: number;
  readonly requestTimeoutMs: number;
  /** Called once when the link ends, with the reason. */
  readonly onClose?: (error: KafkaError) => void;
}

/** Options of one request. */
export interface RequestOptions {
  /** The highest version to use. */
  readonly versionMax?: number | undefined;
  /** Instead of the link's `requestTimeoutMs`. */
  readonly timeoutMs?: number | undefined;
}

interface Pending {
  readonly correlationId: number;
  readonly name: string;
  readonly deadlineMs: number;
  readonly settle: (frame: Uint8Array) => void;
  readonly reject: (error: KafkaError) => void;
}

interface Outgoing {
  readonly frame: Uint8Array;
  readonly resolve?: () => void;
  readonly reject?: (error: KafkaError) => void;
}

/** Who we are, as whoever asks for ApiVersions has to say. */
export const SOFTWARE = {
  clientSoftwareName: "kf",
  clientSoftwareVersion: config.version,
} as const;

/** The answer of ApiVersions. */
export type Negotiated = Decoded<typeof API_VERSIONS.response>;

/**
 * An open connection.
 *
 * 1. Answers come in the order of `#pending`; another order ends the link.
 * 2. Every request settles exactly once, at the latest when the link ends.
 * 3. At most one write is under way.
 */
export class Link {
  /** Where it leads. */
  readonly address: Address;
  readonly #env: Env;
  readonly #connection: Connection;
  readonly #options: LinkOptions;
  readonly #pending: Pending[] = [];
  readonly #outbox: Outgoing[] = [];
  #isWriting = false;
  #nextCorrelationId = 1;
  #sweep: { atMs: number; cancel: Cancel } | undefined;
  #mutedUntilMs = 0;
  /** When the last answer came, or what is waited for was sent. */
  #silentSinceMs = 0;
  readonly #ended = new AbortController();
  #error: KafkaError | undefined;
  #versions = new Map<number, Versions>();
  #negotiated: Negotiated | undefined;

  private constructor(connection: Connection, options: LinkOptions) {
    this.address = options.address;
    this.#env = options.env;
    this.#connection = connection;
    this.#options = options;
  }

  /** Dials and negotiates; throws {@linkcode LinkError} naming the step. */
  static async open(options: LinkOptions): Promise<Link> {
    const link = new Link(await dial(options), options);
    options.env.tasks.spawn(
      `link to ${addressText(options.address)}`,
      () => link.#readAll(),
    );
    try {
      await link.#negotiate();
    } catch (error) {
      const failure = error instanceof KafkaError
        ? error
        : new LinkError("protocol", String(error), { cause: error });
      link.#fail(failure);
      throw failure;
    }
    return link;
  }

  /** Why it ended; `undefined` while it is open. */
  get error(): KafkaError | undefined {
    return this.#error;
  }

  /** For how long nothing has come of what is waited for. */
  get silentMs(): number {
    if (this.#pending.length === 0) return 0;
    return this.#env.clock.monoMs() - this.#silentSinceMs;
  }

  /** Requests without an answer yet. */
  get inFlight(): number {
    return this.#pending.length;
  }

  /** What the peer said that it speaks. */
  get negotiated(): Negotiated {
    if (!this.#negotiated) throw new LinkError("closed", "Not negotiated yet");
    return this.#negotiated;
  }

  /** The version that a request would use, or `undefined` when none fits. */
  version(api: Api, versionMax = Infinity): number | undefined {
    const theirs = this.#versions.get(api.key);
    if (!theirs) return undefined;
    const version = Math.min(api.versions.max, theirs.max, versionMax);
    const isKnown = version >= api.versions.min && version >= theirs.min;
    return isKnown ? version : undefined;
  }

  /** Sends one request and resolves with its decoded answer. */
  request<Req extends Message, Res extends Message>(
    api: Api<Req, Res>,
    body: Input<Req>,
    options: RequestOptions = {},
  ): Promise<Decoded<Res>> {
    const version = this.version(api, options.versionMax);
    if (version === undefined) {
      return Promise.reject(this.#unsupported(api, options.versionMax));
    }
    return this.#exchange(api, body, {
      version,
      timeoutMs: options.timeoutMs,
      decode: (frame) => decodeResponse({ api, version }, frame).body,
    });
  }

  /**
   * Sends one request that has no answer (Produce with `acks=0`); resolves
   * once it was written.
   */
  sendOnly<Req extends Message>(
    api: Api<Req>,
    body: Input<Req>,
    options: RequestOptions = {},
  ): Promise<void> {
    if (this.#error) return Promise.reject(this.#error);
    const version = this.version(api, options.versionMax);
    if (version === undefined) {
      return Promise.reject(this.#unsupported(api, options.versionMax));
    }
    const correlationId = this.#nextCorrelationId++ & 0x7fffffff;
    return new Promise((resolve, reject) => {
      const frame = this.#encode({ api, version, correlationId }, body);
      this.#write({ frame, resolve, reject });
    });
  }

  /** Ends it; pending requests are refused in order. Idempotent. */
  close(): void {
    this.#fail(
      new LinkError(
        "closed",
        `Connection to ${addressText(this.address)} closed`,
      ),
    );
  }

  /** Throws when the peer is too old for what `body` says. */
  #encode<Req extends Message>(
    head: {
      readonly api: Api<Req>;
      readonly version: number;
      readonly correlationId: number;
    },
    body: Input<Req>,
  ): Uint8Array<ArrayBuffer> {
    const { clientId } = this.#options;
    try {
      return encodeRequest({ ...head, clientId }, body);
    } catch (error) {
      if (!(error instanceof VersionError)) throw error;
      throw new KafkaError(
        "UNSUPPORTED_VERSION",
        `Cannot send ${head.api.name} to ${
          addressText(this.address)
        }: version ${head.version}, the newest that both speak, can't say ${error.path}`,
        { cause: error },
      );
    }
  }

  #exchange<Req extends Message, Res extends Message>(
    api: Api<Req, Res>,
    body: Input<Req>,
    { version, timeoutMs, decode }: {
      version: number;
      timeoutMs?: number | undefined;
      decode: (frame: Uint8Array) => Decoded<Res>;
    },
  ): Promise<Decoded<Res>> {
    if (this.#error) return Promise.reject(this.#error);
    if (this.#pending.length >= LIMITS.linkRequestsMax) {
      return Promise.reject(
        new LinkError(
          "protocol",
          `Cannot send ${api.name} to ${
            addressText(this.address)
          }: ${LIMITS.linkRequestsMax} requests wait already`,
        ),
      );
    }
    const correlationId = this.#nextCorrelationId++ & 0x7fffffff;
    return new Promise((resolve, reject) => {
      const frame = this.#encode({ api, version, correlationId }, body);
      const { requestTimeoutMs } = this.#options;
      const nowMs = this.#env.clock.monoMs();
      if (this.#pending.length === 0) this.#silentSinceMs = nowMs;
      const deadlineMs = nowMs + (timeoutMs ?? requestTimeoutMs);
      const settle = (answer: Uint8Array) => {
        const decoded = decode(answer);
        this.#noteThrottle(decoded);
        resolve(decoded);
      };
      this.#pending.push({
        correlationId,
        name: api.name,
        deadlineMs,
        settle,
        reject,
      });
      this.#armSweep(deadlineMs);
      this.#write({ frame });
    });
  }

  #unsupported(api: Api, versionMax?: number): KafkaError {
    const theirs = this.#versions.get(api.key);
    const ours = `${api.versions.min}–${
      Math.min(api.versions.max, versionMax ?? Infinity)
    }`;
    return new KafkaError(
      "UNSUPPORTED_VERSION",
      theirs
        ? `Cannot send ${api.name} to ${
          addressText(this.address)
        }: it speaks versions ${theirs.min}–${theirs.max}, this client ${ours}`
        : `Cannot send ${api.name} to ${
          addressText(this.address)
        }: the broker does not offer it`,
    );
  }

  async #negotiate(): Promise<void> {
    let version = API_VERSIONS.versions.max;
    for (;;) {
      const answer = await this.#askVersions(version);
      if (answer.errorCode === ERRORS.NONE) {
        this.#negotiated = answer;
        for (const { apiKey, minVersion, maxVersion } of answer.apiKeys) {
          this.#versions.set(apiKey, { min: minVersion, max: maxVersion });
        }
        return;
      }
      const theirs = answer.apiKeys.find(({ apiKey }) =>
        apiKey === API_VERSIONS.key
      );
      const next = Math.min(theirs?.maxVersion ?? 0, version - 1);
      if (answer.errorCode !== ERRORS.UNSUPPORTED_VERSION || next < 0) {
        throw new LinkError(
          "protocol",
          `Cannot agree on versions with ${addressText(this.address)}: ${
            errorName(answer.errorCode)
          }`,
        );
      }
      version = next;
    }
  }

  #askVersions(version: number): Promise<Negotiated> {
    return this.#exchange(API_VERSIONS, SOFTWARE, {
      version,
      timeoutMs: this.#options.connectTimeoutMs,
      decode: (frame) => {
        // A broker that does not know the version answers 35 in version 0.
        const isRefused = frame.length >= 6 &&
          (frame[4]! << 8 | frame[5]!) === ERRORS.UNSUPPORTED_VERSION;
        return decodeResponse({
          api: API_VERSIONS,
          version: isRefused ? 0 : version,
        }, frame).body;
      },
    });
  }

  #write(outgoing: Outgoing): void {
    this.#outbox.push(outgoing);
    if (this.#isWriting) return;
    this.#isWriting = true;
    this.#env.tasks.spawn(
      `writes to ${addressText(this.address)}`,
      () => this.#writeAll(),
    );
  }

  async #writeAll(): Promise<void> {
    try {
      while (this.#outbox.length > 0 && !this.#error) {
        const waitMs = this.#mutedUntilMs - this.#env.clock.monoMs();
        if (waitMs > 0) {
          await this.#quiet(waitMs);
          continue;
        }
        const outgoing = this.#outbox[0]!;
        await this.#connection.writeAll(outgoing.frame);
        this.#outbox.shift();
        outgoing.resolve?.();
      }
    } catch (error) {
      this.#fail(this.#broken(error));
    } finally {
      this.#isWriting = false;
    }
  }

  /** Waits; a link that ends waits no longer, so that nobody waits for it. */
  async #quiet(ms: number): Promise<void> {
    try {
      await this.#env.clock.sleep(ms, this.#ended.signal);
    } catch {
      // It has ended.
    }
  }

  async #readAll(): Promise<void> {
    const frames = new FrameReader(this.#connection, LIMITS.frameBytesMax);
    try {
      for (;;) {
        const frame = await frames.next();
        if (this.#error) return;
        if (frame === null) {
          throw new LinkError(
            "closed",
            `${addressText(this.address)} closed the connection`,
          );
        }
        this.#settle(frame);
      }
    } catch (error) {
      this.#fail(this.#broken(error));
    }
  }

  #settle(frame: Uint8Array): void {
    const head = this.#pending[0];
    const correlationId = correlationIdOf(frame);
    if (!head || head.correlationId !== correlationId) {
      throw new LinkError(
        "protocol",
        `Cannot use the answer of ${
          addressText(this.address)
        }: correlation id ${correlationId}, not ${
          head?.correlationId ?? "any"
        }. Is it a Kafka broker?`,
      );
    }
    head.settle(frame);
    this.#pending.shift();
    this.#silentSinceMs = this.#env.clock.monoMs();
  }

  #broken(error: unknown): KafkaError {
    if (error instanceof KafkaError) return error;
    const isDecode = error instanceof Error && error.name === "DecodeError";
    const what = this.#pending[0]?.name ?? "an answer";
    return new LinkError(
      isDecode ? "protocol" : "closed",
      isDecode
        ? `Cannot read ${what} from ${
          addressText(this.address)
        }: ${error.message}. Is it a Kafka broker without TLS?`
        : `Connection to ${addressText(this.address)} broke: ${
          messageOf(error)
        }`,
      { cause: error },
    );
  }

  /** KIP-219: after a throttled answer the client keeps quiet for as long. */
  #noteThrottle(body: object): void {
    if ("throttleTimeMs" in body && typeof body.throttleTimeMs === "number") {
      if (body.throttleTimeMs > 0) {
        this.#mutedUntilMs = this.#env.clock.monoMs() + body.throttleTimeMs;
      }
    }
  }

  #armSweep(deadlineMs: number): void {
    if (this.#sweep && this.#sweep.atMs <= deadlineMs) return;
    this.#sweep?.cancel();
    const waitMs = Math.max(1, deadlineMs - this.#env.clock.monoMs());
    const cancel = this.#env.clock.timer(waitMs, () => {
      this.#sweep = undefined;
      this.#expire();
    });
    this.#sweep = { atMs: deadlineMs, cancel };
  }

  /** Answers come in order, so one that is late blocks the link: end it. */
  #expire(): void {
    const nowMs = this.#env.clock.monoMs();
    let earliestMs = Infinity;
    for (const { deadlineMs, name } of this.#pending) {
      if (deadlineMs <= nowMs) {
        return this.#fail(
          new LinkError(
            "timeout",
            `Cannot get an answer to ${name} from ${
              addressText(this.address)
            } in time${
              name === API_VERSIONS.name ? ". Is it a Kafka broker?" : ""
            }`,
          ),
        );
      }
      earliestMs = Math.min(earliestMs, deadlineMs);
    }
    if (earliestMs < Infinity) this.#armSweep(earliestMs);
  }

  #fail(error: KafkaError): void {
    if (this.#error) return;
    this.#error = error;
    this.#ended.abort();
    this.#sweep?.cancel();
    this.#sweep = undefined;
    this.#connection.close();
    for (const { reject } of this.#outbox.splice(0)) reject?.(error);
    for (const { reject } of this.#pending.splice(0)) reject(error);
    this.#options.onClose?.(error);
  }
}

async function dial(options: LinkOptions): Promise<Connection> {
  const { env, transport, address, isAdvertised, connectTimeoutMs } = options;
  const controller = new AbortController();
  const cancel = env.clock.timer(connectTimeoutMs, () => controller.abort());
  try {
    return await transport.dial(address, controller.signal);
  } catch (error) {
    const step = error instanceof DialError ? error.step : "tcp";
    // The transport's text names the same address: said once is enough.
    const said = `Cannot connect to ${address.host}:${address.port}: `;
    const reason = messageOf(error);
    const why = `${STEP_TEXT[step]}: ${
      reason.startsWith(said) ? reason.slice(said.length) : reason
    }`;
    throw new LinkError(
      isAdvertised ? "advertised" : step,
      isAdvertised
        ? `Cannot connect to ${
          addressText(address)
        }, the address that the broker advertises (${why}). Check advertised.listeners of the broker`
        : `Cannot connect to ${addressText(address)} (${why})`,
      { cause: error, isLate: error instanceof DialError && error.isLate },
    );
  } finally {
    cancel();
  }
}

const STEP_TEXT = { dns: "DNS", tcp: "TCP" } as const;
