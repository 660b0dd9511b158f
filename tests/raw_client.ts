/**
 * A client for tests of the broker: raw frames over a real socket, nothing
 * retried, nothing hidden. Owns one connection; asserts nothing.
 *
 * @module
 */
import type { Decoded, Input, Message } from "../core/schema/schema.ts";
import type { Api } from "../net/wire/api.ts";
import {
  correlationIdOf,
  decodeResponse,
  encodeRequest,
} from "../net/wire/headers.ts";

/** One connection. */
export class RawClient implements Disposable {
  readonly #conn: Deno.TcpConn;
  #buffered = new Uint8Array(0);
  #correlationId = 0;
  #isClosed = false;

  private constructor(conn: Deno.TcpConn) {
    this.#conn = conn;
  }

  static async connect(port: number): Promise<RawClient> {
    return new RawClient(await Deno.connect({ hostname: "127.0.0.1", port }));
  }

  /** Sends a request and reads its answer. */
  async call<Req extends Message, Res extends Message>(
    { api, version }: { api: Api<Req, Res>; version: number },
    body: Input<Req>,
  ): Promise<Decoded<Res>> {
    const id = await this.send({ api, version }, body);
    const frame = await this.frame();
    if (frame === null) throw new Error(`No answer to ${api.name}: closed`);
    if (correlationIdOf(frame) !== id) {
      throw new Error(`Answer ${correlationIdOf(frame)} came instead of ${id}`);
    }
    return decodeResponse({ api, version }, frame).body;
  }

  /** Sends a request; returns its correlation id. */
  async send<Req extends Message>(
    { api, version }: { api: Api<Req>; version: number },
    body: Input<Req>,
  ): Promise<number> {
    const correlationId = ++this.#correlationId;
    const options = { api, version, correlationId, clientId: "raw" };
    await this.write(encodeRequest(options, body));
    return correlationId;
  }

  async write(bytes: Uint8Array): Promise<void> {
    for (let at = 0; at < bytes.length;) {
      at += await this.#conn.write(bytes.subarray(at));
    }
  }

  /** The next frame without its size, or null when the broker closed. */
  async frame(): Promise<Uint8Array | null> {
    if (!(await this.#need(4))) return null;
    const size = new DataView(this.#buffered.buffer).getInt32(0);
    if (!(await this.#need(4 + size))) return null;
    const frame = this.#buffered.slice(4, 4 + size);
    this.#buffered = this.#buffered.slice(4 + size);
    return frame;
  }

  /** Whether the broker closes the connection without another byte. */
  async isClosedByBroker(): Promise<boolean> {
    return (await this.frame()) === null;
  }

  close(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#conn.close();
  }

  [Symbol.dispose](): void {
    this.close();
  }

  async #need(bytes: number): Promise<boolean> {
    const chunk = new Uint8Array(65536);
    while (this.#buffered.length < bytes) {
      let n: number | null;
      try {
        n = await this.#conn.read(chunk);
      } catch {
        return false;
      }
      if (n === null) return false;
      const joined = new Uint8Array(this.#buffered.length + n);
      joined.set(this.#buffered);
      joined.set(chunk.subarray(0, n), this.#buffered.length);
      this.#buffered = joined;
    }
    return true;
  }
}
