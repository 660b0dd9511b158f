/**
 * The network seam: connections as byte streams with bounded buffers. Nothing
 * here may name Deno; `deno_tcp.ts` is the real one.
 *
 * @module
 */

/** Where to listen or dial. */
export interface Address {
  /** Host name or IP address, without brackets. */
  readonly host: string;
  /** Port; 0 on listen takes a free one. */
  readonly port: number;
}

/** One established connection. Exactly one reader and one writer at a time. */
export interface Connection {
  /** Our end of the connection. */
  readonly local: Address;
  /** The other end. */
  readonly remote: Address;
  /** Reads at least one byte into `into`; `null` at the end of the stream. */
  read(into: Uint8Array): Promise<number | null>;
  /**
   * Writes all of `bytes`. They must not be changed or recycled before it
   * resolves: the write is zero-copy and deferred.
   */
  writeAll(bytes: Uint8Array): Promise<void>;
  /** Closes both directions; pending reads and writes settle. Idempotent. */
  close(): void;
}

/** A listening socket. */
export interface Listener {
  /** The bound address, with the real port. */
  readonly address: Address;
  /** The next connection, or `null` after `close()`. */
  accept(): Promise<Connection | null>;
  /** Stops accepting. Idempotent. */
  close(): void;
}

/** Which step of reaching a peer failed. */
export type DialStep = "dns" | "tcp";

/** A failed dial: which step, on what, why. */
export class DialError extends Error {
  override readonly name = "DialError";
  /** Whether there was no answer in time, rather than a bad one. */
  readonly isLate: boolean;
  constructor(
    readonly step: DialStep,
    message: string,
    options: ErrorOptions & { readonly isLate?: boolean } = {},
  ) {
    super(message, options);
    this.isLate = options.isLate === true;
  }
}

/** Makes connections. */
export interface Transport {
  listen(address: Address): Listener;
  dial(address: Address, signal?: AbortSignal): Promise<Connection>;
}
