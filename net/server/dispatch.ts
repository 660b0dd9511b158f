/**
 * From a frame to its handler and back: header, version check, decoding,
 * encoding of the answer. Owns what happens to input that does not parse
 * (the connection closes) and to handlers that fail (an error answer). A
 * failure of one request must never leave this file.
 *
 * @module
 */
import { DecodeError, Reader } from "../../core/bytes/reader.ts";
import type { Writer } from "../../core/bytes/writer.ts";
import type { Clock, Trace } from "../../core/env/env.ts";
import { ERRORS, KafkaError } from "../../core/errors.ts";
import { decode } from "../../core/schema/codec.ts";
import { includes } from "../../core/schema/schema.ts";
import { API_VERSIONS } from "../wire/18_api_versions.ts";
import { type Api, APIS } from "../wire/api_keys.ts";
import {
  decodeRequestHeader,
  type RequestHeader,
  writeResponse,
} from "../wire/headers.ts";
import type { ClientConnection, Reply, Writable } from "./connection.ts";
import type { ApiStats, BrokerStats } from "./stats.ts";
import {
  type Answer,
  type HandlerEntry,
  Later,
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

/** A request on its way to an answer, and then that answer. */
class Pending implements RequestContext, Writable {
  readonly served: Served;
  readonly header: RequestHeader;
  readonly request: unknown;
  readonly nowMs: number;
  readonly #sinceMs: number;
  readonly #reply: Reply;
  readonly #connection: ClientConnection;
  #answer: object | undefined;

  constructor(
    served: Served,
    { header, request, nowMs, reply, connection }: {
      readonly header: RequestHeader;
      readonly request: unknown;
      readonly nowMs: number;
      readonly reply: Reply;
      readonly connection: ClientConnection;
    },
  ) {
    this.served = served;
    this.header = header;
    this.request = request;
    this.nowMs = nowMs;
    this.#sinceMs = connection.receivedMs;
    this.#reply = reply;
    this.#connection = connection;
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
    return `/${this.#connection.remote.host}`;
  }

  get local(): { readonly host: string; readonly port: number } {
    return this.#connection.local;
  }

  isClosed(): boolean {
    return this.#connection.isClosed;
  }

  disconnect(reason: string): void {
    this.#connection.close(reason);
  }

  /** Answers in the connection's order, or sends nothing. */
  answer(answer: Answer<unknown>): void {
    if (answer === NO_RESPONSE) {
      this.#count();
      return this.#reply.settle(null);
    }
    this.#answer = answer as object;
    this.#reply.settle(this);
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

  constructor(
    entries: readonly HandlerEntry[],
    { clock, trace, stats }: {
      readonly clock: Clock;
      readonly trace: Trace;
      readonly stats: BrokerStats;
    },
  ) {
    for (const entry of entries) {
      const api = APIS.get(entry.key)!;
      const counted = stats.api(api);
      this.#served.set(entry.key, { api, entry, stats: counted, clock });
    }
    this.#clock = clock;
    this.#trace = trace;
  }

  /** The APIs that have a handler, by key, rising. */
  served(): Api[] {
    return [...APIS.values()].filter(({ key }) => this.#served.has(key));
  }

  /** Takes one frame; answers through `reply` now or later. */
  onFrame(
    frame: Uint8Array,
    reply: Reply,
    connection: ClientConnection,
  ): void {
    let pending: Pending | undefined;
    try {
      pending = this.#parse(frame, reply, connection);
    } catch (error) {
      if (!(error instanceof DecodeError)) {
        this.#trace("error", "A request could not be read", { error });
      }
      const text = error instanceof Error ? error.message : String(error);
      this.#refuse(connection, text);
      return;
    }
    if (pending !== undefined) this.#handle(pending);
  }

  #parse(
    frame: Uint8Array,
    reply: Reply,
    connection: ClientConnection,
  ): Pending | undefined {
    const reader = new Reader(frame);
    const header = decodeRequestHeader(reader);
    const { apiKey, apiVersion } = header;
    const served = this.#served.get(apiKey);
    if (served === undefined) {
      this.#refuse(connection, `API key ${apiKey} is not served`);
      return undefined;
    }
    const { api, stats } = served;
    if (!includes(api.versions, apiVersion)) {
      if (apiKey === API_VERSIONS.key) {
        reply.settle(this.#unsupportedApiVersions(header));
      } else {
        this.#refuse(
          connection,
          `${api.name} version ${apiVersion} is not served`,
        );
      }
      return undefined;
    }
    stats.versions[apiVersion]!++;
    const body = apiKey === PRODUCE_KEY ? reader : frame.slice(header.bodyAt);
    const request = decode(api.request, apiVersion, body);
    const nowMs = this.#clock.wallMs();
    return new Pending(
      served,
      { header, request, nowMs, reply, connection },
    );
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

  /** A handler threw: an answer of the API's shape, or the connection closes. */
  #fail(pending: Pending, error: unknown): void {
    const { served: { api, entry }, request } = pending;
    const isExpected = error instanceof KafkaError;
    if (!isExpected) {
      this.#trace("error", `A ${api.name} request failed`, { error });
    }
    const code = isExpected ? error.code : ERRORS.UNKNOWN_SERVER_ERROR;
    if (entry.onError !== undefined) {
      try {
        pending.answer(entry.onError(request, code));
        return;
      } catch (second) {
        this.#trace("error", `The error answer to ${api.name} failed`, {
          error: second,
        });
      }
    } else if ("errorCode" in api.response.fields) {
      pending.answer({ errorCode: code });
      return;
    }
    pending.disconnect(`its ${api.name} request failed`);
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

  #refuse(connection: ClientConnection, reason: string): void {
    const { host, port } = connection.remote;
    this.#trace("warn", "A connection sent what cannot be served", {
      remote: `${host}:${port}`,
      reason,
    });
    connection.close(reason);
  }
}
