/**
 * As much of HTTP/1.1 as probes and scrapers need: GET and HEAD of fixed
 * paths, one answer per connection. Owns the bounds (size of a request's head,
 * time, connections), so that nobody can hold the broker's memory or sockets
 * from here. It must never know what it tells, nor read a body.
 *
 * @module
 */
import type { Env } from "../../core/env/env.ts";
import type { Address, Connection, Listener } from "../tcp/transport.ts";

const HEAD_BYTES_MAX = 8 * 1024;
/** How long one connection may live, answered or not. */
const CONNECTION_MS_MAX = 10_000;
const CONNECTIONS_MAX = 64;
/** What is read and thrown away behind a refusal, so that it arrives. */
const LINGER_BYTES_MAX = 64 * 1024;
const LINGER_MS_MAX = 1_000;

const REASONS = {
  200: "OK",
  400: "Bad Request",
  404: "Not Found",
  405: "Method Not Allowed",
  431: "Request Header Fields Too Large",
  500: "Internal Server Error",
  503: "Service Unavailable",
} as const;

/** What a path answers. */
export interface HttpAnswer {
  readonly status: keyof typeof REASONS;
  readonly body: string;
  /** The body's media type; plain text when absent. */
  readonly type?: string;
}

/** What a path's answer may depend on. */
export interface HttpRequest {
  /** The media types that the client takes; everything when empty. */
  readonly accept: string;
}

/** Answers one path. */
export type Route = (request: HttpRequest) => HttpAnswer;

/** What is served: answers by path. */
export type Routes = ReadonlyMap<string, Route>;

/** What an {@linkcode HttpServer} is made of. */
export interface HttpServerOptions {
  readonly env: Pick<Env, "clock" | "tasks" | "trace">;
  readonly listener: Listener;
  readonly routes: Routes;
}

interface RequestHead extends HttpRequest {
  readonly method: string;
  readonly path: string;
}

const ENCODER = new TextEncoder();
const LATIN_1 = new TextDecoder("latin1");
const LF = 10;
const CR = 13;

/**
 * One listener and its short connections.
 *
 * Invariants:
 * 1. At most {@linkcode CONNECTIONS_MAX} connections are open, none of them
 *    longer than {@linkcode CONNECTION_MS_MAX}.
 * 2. A route that fails is answered with 500 and reaches nobody else.
 */
export class HttpServer {
  readonly #options: HttpServerOptions;
  readonly #open = new Set<Connection>();

  constructor(options: HttpServerOptions) {
    this.#options = options;
  }

  /** Where it listens, with the real port. */
  get address(): Address {
    return this.#options.listener.address;
  }

  /** Begins to accept. */
  start(): void {
    const { tasks } = this.#options.env;
    tasks.spawn("accept HTTP connections", () => this.#accept());
  }

  /** Stops accepting and closes what is open. Idempotent. */
  close(): void {
    this.#options.listener.close();
    for (const connection of this.#open) connection.close();
  }

  async #accept(): Promise<void> {
    const { env, listener } = this.#options;
    for (;;) {
      const connection = await listener.accept();
      if (connection === null) return;
      if (this.#open.size >= CONNECTIONS_MAX) connection.close();
      else {
        this.#open.add(connection);
        env.tasks.spawn("serve HTTP", () => this.#serve(connection));
      }
    }
  }

  async #serve(connection: Connection): Promise<void> {
    const { clock } = this.#options.env;
    const cancel = clock.timer(CONNECTION_MS_MAX, () => connection.close());
    try {
      const head = await readHead(connection);
      if (head === undefined) return;
      const { answer, isHead } = this.#answer(head);
      await connection.writeAll(encode(answer, isHead));
      if (isRefusal(answer)) await this.#linger(connection);
    } catch {
      // The client went away or took too long: there is nobody to be told.
    } finally {
      cancel();
      connection.close();
      this.#open.delete(connection);
    }
  }

  #answer(head: string | HttpAnswer): { answer: HttpAnswer; isHead: boolean } {
    if (typeof head !== "string") return { answer: head, isHead: false };
    const request = parseHead(head);
    if (request === undefined) {
      const body = "Cannot read the request: it is no HTTP/1.1\n";
      return { answer: { status: 400, body }, isHead: false };
    }
    const { method } = request;
    const isHead = method === "HEAD";
    if (!isHead && method !== "GET") {
      const body = "Cannot do that: GET and HEAD are served\n";
      return { answer: { status: 405, body }, isHead };
    }
    return { answer: this.#call(request), isHead };
  }

  #call({ path, accept }: RequestHead): HttpAnswer {
    const { env, routes } = this.#options;
    const route = routes.get(path);
    if (route === undefined) {
      const paths = [...routes.keys()].join(", ");
      return { status: 404, body: `There is no such path, but ${paths}\n` };
    }
    try {
      return route({ accept });
    } catch (error) {
      env.trace("error", "An HTTP request failed", { path, error });
      return { status: 500, body: "Cannot answer: an error was logged\n" };
    }
  }

  /**
   * Closing a socket with unread bytes resets it, which can take the answer
   * away from a client that still sends: what comes is read for a moment.
   */
  async #linger(connection: Connection): Promise<void> {
    const { clock } = this.#options.env;
    const cancel = clock.timer(LINGER_MS_MAX, () => connection.close());
    try {
      const sink = new Uint8Array(HEAD_BYTES_MAX);
      for (let left = LINGER_BYTES_MAX; left > 0;) {
        const n = await connection.read(sink);
        if (n === null) return;
        left -= n;
      }
    } finally {
      cancel();
    }
  }
}

/** Whether the request was not read to its end. */
function isRefusal({ status }: HttpAnswer): boolean {
  return status === 400 || status === 405 || status === 431;
}

/** The head of a request, or its refusal; undefined when the client left. */
async function readHead(
  connection: Connection,
): Promise<string | HttpAnswer | undefined> {
  const bytes = new Uint8Array(HEAD_BYTES_MAX);
  let end = 0;
  while (end < bytes.length) {
    const n = await connection.read(bytes.subarray(end));
    if (n === null) return undefined;
    const from = Math.max(0, end - 2);
    end += n;
    const at = blankLineAt(bytes.subarray(0, end), from);
    if (at >= 0) return LATIN_1.decode(bytes.subarray(0, at));
  }
  const body = `Cannot read a head of more than ${HEAD_BYTES_MAX} bytes\n`;
  return { status: 431, body };
}

/** Where the empty line behind the head begins, searched from `from`; or −1. */
function blankLineAt(bytes: Uint8Array, from: number): number {
  for (let at = bytes.indexOf(LF, from); at >= 0;) {
    const next = bytes[at + 1] === CR ? at + 2 : at + 1;
    if (bytes[next] === LF) return at;
    at = bytes.indexOf(LF, at + 1);
  }
  return -1;
}

function parseHead(head: string): RequestHead | undefined {
  const [first, ...fields] = head.split(/\r?(?:\n|$)/);
  const match =
    /^([\w-]+) (?:http:\/\/[^/?#\s]+)?(\/[^?#\s]*)\S* HTTP\/1\.([01])$/
      .exec(first ?? "");
  if (match === null) return undefined;
  const isNew = match[3] === "1";
  const hosts = valuesOf("host", fields).length;
  if (hosts > 1 || (isNew && hosts === 0)) return undefined;
  const accept = valuesOf("accept", fields).join();
  return { method: match[1]!, path: match[2]!, accept };
}

/** What stands in the fields called `name`. */
function valuesOf(name: string, fields: readonly string[]): string[] {
  const start = `${name}:`;
  return fields
    .filter((field) => field.toLowerCase().startsWith(start))
    .map((field) => field.slice(start.length).trim());
}

function encode(
  { status, body, type = "text/plain; charset=utf-8" }: HttpAnswer,
  isHead: boolean,
): Uint8Array {
  const content = ENCODER.encode(body);
  const lines = [
    `HTTP/1.1 ${status} ${REASONS[status]}`,
    `Content-Type: ${type}`,
    `Content-Length: ${content.length}`,
    "Cache-Control: no-store",
    "X-Content-Type-Options: nosniff",
    ...(status === 405 ? ["Allow: GET, HEAD"] : []),
    "Connection: close",
  ];
  const head = ENCODER.encode(`${lines.join("\r\n")}\r\n\r\n`);
  if (isHead) return head;
  const bytes = new Uint8Array(head.length + content.length);
  bytes.set(head);
  bytes.set(content, head.length);
  return bytes;
}
