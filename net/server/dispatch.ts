/**
 * From a frame to its handler and back: header, version check, decoding,
 * encoding of the answer. Owns what happens to input that does not parse
 * (the connection closes) and to handlers that fail (an error answer). A
 * failure of one request must never leave this file.
 *
 * @module
 */
import { DecodeError } from "../../core/bytes/reader.ts";
import type { Clock, Trace } from "../../core/env/env.ts";
import { ERRORS, KafkaError } from "../../core/errors.ts";
import { decode } from "../../core/schema/codec.ts";
import { includes } from "../../core/schema/schema.ts";
import { API_VERSIONS } from "../wire/18_api_versions.ts";
import { type Api, APIS } from "../wire/api_keys.ts";
import {
  decodeRequestHeader,
  encodeResponse,
  type RequestHeader,
} from "../wire/headers.ts";
import type { ClientConnection, Reply } from "./connection.ts";
import {
  type Answer,
  type HandlerEntry,
  Later,
  NO_RESPONSE,
  type RequestContext,
} from "./handler.ts";

/** Reads its records where they were received: all else gets a copy. */
const PRODUCE_KEY = 0;

/** A request on its way to an answer. */
interface Pending {
  readonly api: Api;
  readonly header: RequestHeader;
  readonly entry: HandlerEntry;
  readonly request: unknown;
  readonly reply: Reply;
  readonly connection: ClientConnection;
}

class Context implements RequestContext {
  readonly #connection: ClientConnection;
  readonly #header: RequestHeader;

  constructor(
    connection: ClientConnection,
    header: RequestHeader,
    readonly nowMs: number,
  ) {
    this.#connection = connection;
    this.#header = header;
  }

  get apiKey(): number {
    return this.#header.apiKey;
  }

  get apiVersion(): number {
    return this.#header.apiVersion;
  }

  get correlationId(): number {
    return this.#header.correlationId;
  }

  get clientId(): string | null {
    return this.#header.clientId;
  }

  get clientHost(): string {
    return `/${this.#connection.remote.host}`;
  }

  get local(): { readonly host: string; readonly port: number } {
    return this.#connection.local;
  }

  isClosed = (): boolean => this.#connection.isClosed;

  disconnect = (reason: string): void => this.#connection.close(reason);
}

/** The table of handlers and the way through it. */
export class Dispatch {
  readonly #entries = new Map<number, HandlerEntry>();
  readonly #clock: Clock;
  readonly #trace: Trace;

  constructor(
    entries: readonly HandlerEntry[],
    { clock, trace }: { readonly clock: Clock; readonly trace: Trace },
  ) {
    for (const entry of entries) this.#entries.set(entry.key, entry);
    this.#clock = clock;
    this.#trace = trace;
  }

  /** The APIs that have a handler, by key, rising. */
  served(): Api[] {
    return [...APIS.values()].filter(({ key }) => this.#entries.has(key));
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
    const header = decodeRequestHeader(frame);
    const { apiKey, apiVersion } = header;
    const api = APIS.get(apiKey);
    const entry = this.#entries.get(apiKey);
    if (api === undefined || entry === undefined) {
      this.#refuse(connection, `API key ${apiKey} is not served`);
      return undefined;
    }
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
    const body = apiKey === PRODUCE_KEY
      ? frame.subarray(header.bodyAt)
      : frame.slice(header.bodyAt);
    const request = decode(api.request, apiVersion, body);
    return { api, header, entry, request, reply, connection };
  }

  #handle(pending: Pending): void {
    const { connection, header, entry, request } = pending;
    const context = new Context(connection, header, this.#clock.wallMs());
    try {
      const answer = entry.handle(request, context);
      if (answer instanceof Later) {
        answer.onSet((value) => this.#answer(pending, value));
      } else if (answer instanceof Promise) {
        answer.then(
          (value) => this.#answer(pending, value),
          (error) => this.#fail(pending, error),
        );
      } else {
        this.#answer(pending, answer);
      }
    } catch (error) {
      this.#fail(pending, error);
    }
  }

  #answer(pending: Pending, answer: Answer<unknown>): void {
    const { api, header, reply, connection } = pending;
    if (connection.isClosed) return;
    if (answer === NO_RESPONSE) {
      reply.settle(null);
      return;
    }
    try {
      const { apiVersion: version, correlationId } = header;
      reply.settle(
        encodeResponse({ api, version, correlationId }, answer as object),
      );
    } catch (error) {
      this.#trace("error", `An answer to ${api.name} could not be written`, {
        error,
      });
      connection.close("its answer could not be written");
    }
  }

  /** A handler threw: an answer of the API's shape, or the connection closes. */
  #fail(pending: Pending, error: unknown): void {
    const { api, entry, request, connection } = pending;
    const isExpected = error instanceof KafkaError;
    if (!isExpected) {
      this.#trace("error", `A ${api.name} request failed`, { error });
    }
    const code = isExpected ? error.code : ERRORS.UNKNOWN_SERVER_ERROR;
    if (entry.onError !== undefined) {
      try {
        this.#answer(pending, entry.onError(request, code));
        return;
      } catch (second) {
        this.#trace("error", `The error answer to ${api.name} failed`, {
          error: second,
        });
      }
    } else if ("errorCode" in api.response.fields) {
      this.#answer(pending, { errorCode: code });
      return;
    }
    connection.close(`its ${api.name} request failed`);
  }

  #unsupportedApiVersions(header: RequestHeader): Uint8Array {
    const { correlationId } = header;
    const { min, max } = API_VERSIONS.advertised;
    return encodeResponse({ api: API_VERSIONS, version: 0, correlationId }, {
      errorCode: ERRORS.UNSUPPORTED_VERSION,
      apiKeys: [{
        apiKey: API_VERSIONS.key,
        minVersion: min,
        maxVersion: max,
      }],
    });
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
