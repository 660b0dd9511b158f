/**
 * The shape of a request handler. Owns the types that dispatch and handlers
 * share and the binding of an API key to its handler; knows no API itself.
 * A handler never touches a socket: it answers with a value, a promise of
 * one, or {@linkcode NO_RESPONSE}.
 *
 * @module
 */

/** Our end of a client's connection. */
export interface LocalEnd {
  /** The listener's name: others are told of by their address for it. */
  readonly listener: string;
  /** Our address as the client reached it, for unset advertised listeners. */
  readonly host: string;
  readonly port: number;
}

/** What a handler may know of the request besides its body. */
export interface RequestContext {
  /** Key of the API. */
  readonly apiKey: number;
  /** Version of the request, and of the answer. */
  readonly apiVersion: number;
  /** The client's name for this request. */
  readonly correlationId: number;
  /** What the client calls itself; null when it doesn't. */
  readonly clientId: string | null;
  /** The other end's address, without port, as groups show it: `/10.0.0.1`. */
  readonly clientHost: string;
  /** Where this client reached us. */
  readonly local: LocalEnd;
  /** Whether a broker asks for itself: it may do what clients may not. */
  readonly isFromBroker: boolean;
  /** Wall time at which the request was read, milliseconds since the epoch. */
  readonly nowMs: number;
  /** Whether the connection is closed: parked work may be dropped. */
  isClosed(): boolean;
  /** Closes the connection after this request, without an answer. */
  disconnect(reason: string): void;
}

/** Answer of a handler that sends nothing (Produce with acks 0). */
export const NO_RESPONSE: unique symbol = Symbol("no response");

/** What a handler gives back in the end. */
export type Answer<Res> = Res | typeof NO_RESPONSE;

/**
 * An answer that comes later, without the cost of a promise: what parks in
 * the broker on every request (produce, fetch) uses it.
 *
 * Invariants:
 * 1. It is set once; whoever listens is told once.
 */
export class Later<T> {
  #value: T | undefined;
  #isSet = false;
  #listener: ((value: T) => void) | undefined;

  /** Gives the value; a second one is ignored. */
  set(value: T): void {
    if (this.#isSet) return;
    this.#isSet = true;
    this.#value = value;
    this.#listener?.(value);
  }

  /** Calls `fn` with the value, now if it is there. */
  onSet(fn: (value: T) => void): void {
    if (this.#isSet) fn(this.#value as T);
    else this.#listener = fn;
  }
}

/**
 * Answers one decoded request. Errors that have a place in the answer go
 * there; a thrown `KafkaError` becomes the answer's top-level error code.
 */
export type Handler<Req, Res> = (
  request: Req,
  context: RequestContext,
) => Answer<Res> | Later<Res> | Promise<Answer<Res>>;

/** A handler bound to its API key; what dispatch looks up. */
export interface HandlerEntry {
  readonly key: number;
  readonly handle: Handler<unknown, unknown>;
  /** Shapes an answer for an error that escaped; absent: the connection closes. */
  readonly onError: ((request: unknown, code: number) => unknown) | undefined;
  /** Whether only the active controller answers: others pass requests on. */
  readonly isForwarded: boolean;
}

/**
 * Binds `handler` to the API with `api.key`, e.g.
 * `handles(HEARTBEAT, (request: HeartbeatRequest): HeartbeatResponse => …)`.
 */
export function handles<Req, Res>(
  api: { readonly key: number },
  handler: Handler<Req, Res>,
  onError?: (request: Req, code: number) => Res,
): HandlerEntry {
  return {
    key: api.key,
    handle: handler as Handler<unknown, unknown>,
    onError: onError as HandlerEntry["onError"],
    isForwarded: false,
  };
}
