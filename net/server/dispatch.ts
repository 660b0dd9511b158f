/**
 * From a frame to its handler and back: header, version check, decoding,
 * encoding of the answer. Owns what happens to input that does not parse
 * (the connection closes) and to handlers that fail (an error answer). A
 * failure of one request must never leave this file.
 *
 * @module
 */
import { DecodeError, Reader } from "../../core/bytes/reader.ts";
import { Writer } from "../../core/bytes/writer.ts";
import type { Clock, Trace } from "../../core/env/env.ts";
import { ERRORS, KafkaError, messageOf } from "../../core/errors.ts";
import { decode } from "../../core/schema/codec.ts";
import { complete } from "../../core/schema/complete.ts";
import {
  type Decoded,
  includes,
  type Input,
  type Message,
} from "../../core/schema/schema.ts";
import { API_VERSIONS } from "../wire/18_api_versions.ts";
import { type Api, APIS } from "../wire/api_keys.ts";
import {
  decodeRequestHeader,
  type RequestHeader,
  writeResponse,
} from "../wire/headers.ts";
import type { Address } from "../tcp/transport.ts";
import type { OnFrame, Writable } from "./connection.ts";
import type { ApiStats, BrokerStats } from "./stats.ts";
import {
  type Answer,
  type HandlerEntry,
  Later,
  type LocalEnd,
  NO_RESPONSE,
  type RequestContext,
} from "./handler.ts";

/** Reads its records where they were received: all else gets a copy. */
const PRODUCE_KEY = 0;

/** An API that is served: made once, shared by all its requests. */
interface Served {
  readonly api: Api;
  readonly entry: HandlerEntry;
  readonly stats: ApiStats;
  readonly clock: Clock;
}

/** Who comes in through a listener. */
export interface Entrance {
  /** The listener's name. */
  readonly listener: string;
  /** Whether brokers ask for themselves there, rather than clients. */
  readonly isOfBrokers: boolean;
}

/** The other end of a request, as far as it is known here. */
interface Peer {
  readonly remote: Address;
  readonly local: Address;
  readonly isClosed: boolean;
  /** Monotonic time at which the request was received. */
  readonly receivedMs: number;
  close(reason: string): void;
}

/** Takes the one answer to a request; null: there is none. */
interface AnswerTaker {
  settle(answer: Writable | null): void;
}

/** Where a request comes from, and where its answer goes. */
interface Source {
  readonly reply: AnswerTaker;
  readonly peer: Peer;
  readonly entrance: Entrance;
  /** Takes the news that the controller has moved, instead of the client. */
  readonly onMoved?: (error: KafkaError) => void;
}

/** Passes whole request frames on to the active controller. */
export interface Forwarding {
  /** Whether the active controller is here. */
  isHere(): boolean;
  /** Resolves with the answer's frame, which has no size before it. */
  forward(frame: Uint8Array, client: Address): Promise<Uint8Array>;
}

/** A request on its way to an answer, and then that answer. */
class Pending implements RequestContext, Writable {
  readonly served: Served;
  readonly header: RequestHeader;
  readonly request: unknown;
  readonly nowMs: number;
  /** The frame as it came, if it may be passed on. */
  readonly frame: Uint8Array | undefined;
  readonly #sinceMs: number;
  readonly #source: Source;
  #answer: object | undefined;

  constructor(
    served: Served,
    { header, request, nowMs, frame, source }: {
      readonly header: RequestHeader;
      readonly request: unknown;
      readonly nowMs: number;
      readonly frame: Uint8Array | undefined;
      readonly source: Source;
    },
  ) {
    this.served = served;
    this.header = header;
    this.request = request;
    this.nowMs = nowMs;
    this.frame = frame;
    this.#sinceMs = source.peer.receivedMs;
    this.#source = source;
  }

  get apiKey(): number {
    return this.header.apiKey;
  }

  get apiVersion(): number {
    return this.header.apiVersion;
  }

  get correlationId(): number {
    return this.header.correlationId;
  }

  get clientId(): string | null {
    return this.header.clientId;
  }

  get clientHost(): string {
    return `/${this.client.host}`;
  }

  get onMoved(): Source["onMoved"] {
    return this.#source.onMoved;
  }

  /** The other end. */
  get client(): Address {
    return this.#source.peer.remote;
  }

  get local(): LocalEnd {
    const { peer: { local }, entrance: { listener } } = this.#source;
    return { listener, ...local };
  }

  get isFromBroker(): boolean {
    return this.#source.entrance.isOfBrokers;
  }

  isClosed(): boolean {
    return this.#source.peer.isClosed;
  }

  disconnect(reason: string): void {
    this.#source.peer.close(reason);
  }

  /** Answers in the connection's order, or sends nothing. */
  answer(answer: Answer<unknown>): void {
    const { reply } = this.#source;
    if (answer === NO_RESPONSE) {
      this.#count();
      return reply.settle(null);
    }
    this.#answer = answer as object;
    reply.settle(this);
  }

  /** Answers with what the controller sent, which is whole. */
  answerFrame(frame: Uint8Array): void {
    this.#source.reply.settle({
      writeTo: (writer) => {
        this.#count();
        writer.int32(frame.length);
        writer.raw(frame);
      },
    });
  }

  writeTo(writer: Writer): void {
    const { served: { api }, apiVersion: version, correlationId } = this;
    this.#count();
    writeResponse(writer, { api, version, correlationId }, this.#answer!);
  }

  #count(): void {
    const { stats, clock } = this.served;
    stats.latency.record(clock.monoMs() - this.#sinceMs);
  }
}

/** The table of handlers and the way through it. */
export class Dispatch {
  readonly #served = new Map<number, Served>();
  readonly #clock: Clock;
  readonly #trace: Trace;
  readonly #forwarding: Forwarding | undefined;

  constructor(
    entries: readonly HandlerEntry[],
    { clock, trace, stats, forwarding }: {
      readonly clock: Clock;
      readonly trace: Trace;
      readonly stats: BrokerStats;
      /** Absent where only the active controller is asked. */
      readonly forwarding?: Forwarding;
    },
  ) {
    for (const entry of entries) {
      const api = APIS.get(entry.key)!;
      const counted = stats.api(api);
      this.#served.set(entry.key, { api, entry, stats: counted, clock });
    }
    this.#clock = clock;
    this.#trace = trace;
    this.#forwarding = forwarding;
  }

  /** The APIs that have a handler, by key, rising. */
  served(): Api[] {
    return [...APIS.values()].filter(({ key }) => this.#served.has(key));
  }

  /** What takes the frames of a listener. */
  entrance(entrance: Entrance): OnFrame {
    return (frame, reply, peer) =>
      this.#onFrame(frame, { reply, peer, entrance });
  }

  /** Answers a broker's request that comes from this process. */
  async ask<Req extends Message, Res extends Message>(
    api: Api<Req, Res>,
    body: Input<Req>,
  ): Promise<Decoded<Res>> {
    const served = this.#served.get(api.key)!;
    const context = { ...HERE, ...keyAndVersion(api), ...this.#now() };
    const request = complete(api.request, body);
    let answer: unknown;
    try {
      answer = await valueOf(served.entry.handle(request, context));
    } catch (error) {
      answer = this.#errorAnswer(served, request, error);
      if (answer === undefined) throw error;
    }
    return complete(api.response, answer as Input<Res>);
  }

  /**
   * Answers a client's request that another broker passed on: a frame
   * without its size, and so is the answer.
   */
  unwrap(frame: Uint8Array, client: Address): Promise<Uint8Array> {
    return new Promise((resolve, reject) => {
      const close = (reason: string) =>
        reject(new KafkaError("UNKNOWN_SERVER_ERROR", reason));
      const reply = {
        settle: (answer: Writable | null) => {
          if (answer === null) return close("The request has no answer");
          const writer = new Writer();
          answer.writeTo(writer);
          resolve(writer.view().subarray(4));
        },
      };
      const peer = {
        remote: client,
        local: HERE.local,
        isClosed: false,
        receivedMs: this.#clock.monoMs(),
        close,
      };
      const entrance = { listener: HERE.local.listener, isOfBrokers: false };
      this.#onFrame(frame, { reply, peer, entrance, onMoved: reject });
    });
  }

  #now(): { readonly nowMs: number } {
    return { nowMs: this.#clock.wallMs() };
  }

  /** Takes one frame; answers now or later. */
  #onFrame(frame: Uint8Array, source: Source): void {
    let pending: Pending | undefined;
    try {
      pending = this.#parse(frame, source);
    } catch (error) {
      if (!(error instanceof DecodeError)) {
        this.#trace("error", "A request could not be read", { error });
      }
      const text = messageOf(error);
      this.#refuse(source.peer, text);
      return;
    }
    if (pending === undefined) return;
    if (pending.frame === undefined || this.#forwarding!.isHere()) {
      this.#handle(pending);
    } else this.#forward(pending, pending.frame);
  }

  #parse(frame: Uint8Array, source: Source): Pending | undefined {
    const reader = new Reader(frame);
    const header = decodeRequestHeader(reader);
    const { apiKey, apiVersion } = header;
    const served = this.#served.get(apiKey);
    if (served === undefined) {
      this.#refuse(source.peer, `API key ${apiKey} is not served`);
      return undefined;
    }
    const { api, entry, stats } = served;
    if (!includes(api.versions, apiVersion)) {
      if (apiKey === API_VERSIONS.key) {
        source.reply.settle(this.#unsupportedApiVersions(header));
      } else {
        this.#refuse(
          source.peer,
          `${api.name} version ${apiVersion} is not served`,
        );
      }
      return undefined;
    }
    stats.versions[apiVersion]!++;
    const body = apiKey === PRODUCE_KEY ? reader : frame.slice(header.bodyAt);
    const request = decode(api.request, apiVersion, body);
    const nowMs = this.#clock.wallMs();
    const isForwarded = entry.isForwarded && this.#forwarding !== undefined;
    return new Pending(served, {
      header,
      request,
      nowMs,
      frame: isForwarded ? frame.slice() : undefined,
      source,
    });
  }

  #handle(pending: Pending): void {
    try {
      const answer = pending.served.entry.handle(pending.request, pending);
      if (answer instanceof Later) {
        answer.onSet((value) => pending.answer(value));
      } else if (answer instanceof Promise) {
        answer.then(
          (value) => pending.answer(value),
          (error) => this.#fail(pending, error),
        );
      } else {
        pending.answer(answer);
      }
    } catch (error) {
      this.#fail(pending, error);
    }
  }

  /** The active controller is elsewhere: it answers instead. */
  #forward(pending: Pending, frame: Uint8Array): void {
    this.#forwarding!.forward(frame, pending.client).then(
      (answer) => pending.answerFrame(answer),
      (error) => this.#fail(pending, error),
    );
  }

  /** A handler threw: an answer of the API's shape, or the connection closes. */
  #fail(pending: Pending, error: unknown): void {
    const { served, request, frame, onMoved } = pending;
    if (error instanceof KafkaError && error.error === "NOT_CONTROLLER") {
      // Clients needn't know who the controller is, nor that it moved.
      if (onMoved !== undefined) return onMoved(error);
      if (frame !== undefined) return this.#forward(pending, frame);
    }
    const answer = this.#errorAnswer(served, request, error);
    if (answer === undefined) {
      pending.disconnect(`its ${served.api.name} request failed`);
    } else pending.answer(answer);
  }

  #errorAnswer(
    { api, entry }: Served,
    request: unknown,
    error: unknown,
  ): object | undefined {
    const isExpected = error instanceof KafkaError;
    if (!isExpected) {
      this.#trace("error", `A ${api.name} request failed`, { error });
    }
    const code = isExpected ? error.code : ERRORS.UNKNOWN_SERVER_ERROR;
    if (entry.onError !== undefined) {
      try {
        return entry.onError(request, code) as object;
      } catch (second) {
        this.#trace("error", `The error answer to ${api.name} failed`, {
          error: second,
        });
        return undefined;
      }
    }
    return "errorCode" in api.response.fields ? { errorCode: code } : undefined;
  }

  #unsupportedApiVersions({ correlationId }: RequestHeader): Writable {
    const { min: minVersion, max: maxVersion } = API_VERSIONS.advertised;
    const head = { api: API_VERSIONS, version: 0, correlationId };
    return {
      writeTo: (writer) =>
        writeResponse(writer, head, {
          errorCode: ERRORS.UNSUPPORTED_VERSION,
          apiKeys: [{ apiKey: API_VERSIONS.key, minVersion, maxVersion }],
        }),
    };
  }

  #refuse(peer: Peer, reason: string): void {
    const { host, port } = peer.remote;
    this.#trace("warn", "A connection sent what cannot be served", {
      remote: `${host}:${port}`,
      reason,
    });
    peer.close(reason);
  }
}

/** What a request of this process itself comes from. */
const HERE = {
  correlationId: 0,
  clientId: null,
  clientHost: "/127.0.0.1",
  local: { listener: "", host: "127.0.0.1", port: 0 },
  isFromBroker: true,
  isClosed: () => false,
  disconnect: () => {},
} as const;

function keyAndVersion({ key, versions }: Api) {
  return { apiKey: key, apiVersion: versions.max };
}

/** What a handler gives back, once it is there. */
function valueOf(answer: ReturnType<HandlerEntry["handle"]>): unknown {
  if (!(answer instanceof Later)) return answer;
  return new Promise((resolve) => answer.onSet(resolve));
}
