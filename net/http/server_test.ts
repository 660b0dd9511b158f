/**
 * The HTTP server over real sockets: what probes get, and what those get who
 * send too much, nonsense, or nothing at all.
 *
 * @module
 */
import { assert, assertEquals, assertMatch } from "@std/assert";
import { denoEnv } from "../../core/env/deno_env.ts";
import type { Env } from "../../core/env/env.ts";
import { hurried } from "../../tests/raw_broker.ts";
import { until } from "../../tests/fixtures.ts";
import { denoTransport } from "../tcp/deno_tcp.ts";
import { HttpServer, type Route } from "./server.ts";

const ROUTES = new Map<string, Route>([
  ["/accept", ({ accept }) => ({ status: 200, body: accept })],
  ["/fine", () => ({ status: 200, body: "føo\n" })],
  ["/busy", () => ({ status: 503, body: "not now\n" })],
  ["/large", () => ({ status: 200, body: "x".repeat(3_000_000) })],
  ["/fails", () => {
    throw new Error("inside");
  }],
]);

interface Serving extends AsyncDisposable {
  readonly port: number;
  readonly server: HttpServer;
  /** Sends raw bytes; gives everything that comes until the end. */
  raw(request: string): Promise<string>;
}

function serving(env: Env = denoEnv({ trace: () => {} })): Serving {
  const listener = denoTransport().listen({ host: "127.0.0.1", port: 0 });
  const server = new HttpServer({ env, listener, routes: ROUTES });
  server.start();
  const { port } = server.address;
  return {
    port,
    server,
    async raw(request) {
      using conn = await Deno.connect({ hostname: "127.0.0.1", port });
      await conn.write(new TextEncoder().encode(request));
      return await new Response(conn.readable).text();
    },
    async [Symbol.asyncDispose]() {
      server.close();
      await env.tasks.settled();
    },
  };
}

Deno.test("GET answers with the route's status, type and body, then closes", async () => {
  await using http = serving();
  const answer = await http.raw("GET /fine?a=b HTTP/1.1\r\nHost: x\r\n\r\n");
  assertEquals(
    answer,
    "HTTP/1.1 200 OK\r\nContent-Type: text/plain; charset=utf-8\r\n" +
      "Content-Length: 5\r\nCache-Control: no-store\r\n" +
      "X-Content-Type-Options: nosniff\r\nConnection: close\r\n\r\nføo\n",
  );
});

Deno.test("a real HTTP client reads every answer, large ones too", async () => {
  await using http = serving();
  const get = async (path: string, method = "GET") => {
    const url = `http://127.0.0.1:${http.port}${path}`;
    const answer = await fetch(url, { method });
    return [answer.status, await answer.text()] as const;
  };
  assertEquals(await get("/fine"), [200, "føo\n"]);
  assertEquals(await get("/busy"), [503, "not now\n"]);
  assertEquals((await get("/large"))[1].length, 3_000_000);
  assertEquals(await get("/fine", "HEAD"), [200, ""]);
  assertEquals((await get("/fails"))[0], 500);
  const [status, body] = await get("/nowhere");
  assertEquals(status, 404);
  assertMatch(body, /\/fine, \/busy/);
  assertEquals((await get("/fine", "POST"))[0], 405);
  assertEquals((await get("/fine", "M-SEARCH"))[0], 405);
});

Deno.test("a head that comes byte by byte, or of an old client, is understood", async () => {
  await using http = serving();
  using conn = await Deno.connect({ hostname: "127.0.0.1", port: http.port });
  conn.setNoDelay(true);
  for (const char of "GET /fine HTTP/1.1\r\nhost: x\r\n\r\n") {
    await conn.write(new TextEncoder().encode(char));
  }
  assertMatch(await new Response(conn.readable).text(), / 200 OK[^]*føo\n$/);
  assertMatch(await http.raw("GET /fine HTTP/1.0\n\n"), / 200 OK/);
  const whole = "GET http://proxied:1/fine HTTP/1.1\r\nHost: proxied\r\n\r\n";
  assertMatch(await http.raw(whole), / 200 OK/);
});

Deno.test("a route knows what the client takes, however it spells it", async () => {
  await using http = serving();
  const accept = async (...fields: string[]) => {
    const head = ["GET /accept HTTP/1.1", "Host: x", ...fields].join("\r\n");
    return (await http.raw(`${head}\r\n\r\n`)).split("\r\n\r\n")[1];
  };
  assertEquals(await accept(), "");
  assertEquals(await accept("ACCEPT:a/b;q=0.5 "), "a/b;q=0.5");
  assertEquals(await accept("Accept: a/b", "accept: c/d"), "a/b,c/d");
});

Deno.test("what is no HTTP is refused, and the server goes on", async () => {
  await using http = serving(hurried(20));
  for (
    const request of [
      "\r\n\r\n",
      "GET\r\n\r\n",
      "GET fine HTTP/1.1\r\nHost: x\r\n\r\n",
      "GET /fine HTTP/2.0\r\nHost: x\r\n\r\n",
      "GET /fine HTTP/1.1\r\nNo-Host: x\r\n\r\n",
      "GET /fine HTTP/1.1\r\nHost: x\r\nHost: y\r\n\r\n",
      "\u0000\u0001\u0002\n\n",
    ]
  ) {
    assertMatch(await http.raw(request), /^HTTP\/1\.1 400 /, request);
  }
  assertMatch(await http.raw("GET /fine HTTP/1.0\r\n\r\n"), / 200 OK/);
});

Deno.test("a head of more than 8 KB is refused, and the refusal arrives", async () => {
  await using http = serving(hurried(4));
  const head = (bytes: number) => {
    const open = "GET /fine HTTP/1.1\r\nHost: x\r\nX-Long: ";
    return `${open}${"y".repeat(bytes - open.length - 4)}\r\n\r\n`;
  };
  assertMatch(await http.raw(head(8192)), /^HTTP\/1\.1 200 /);
  assertMatch(await http.raw(head(8193)), /^HTTP\/1\.1 431 /);
  assertMatch(await http.raw(head(40_000)), /^HTTP\/1\.1 431 /);
});

Deno.test("who says nothing, or half of it, is closed after a while", async () => {
  await using http = serving(hurried(100));
  const silent = await http.raw("");
  const half = await http.raw("GET /fine HTT");
  assertEquals([silent, half], ["", ""]);
});

Deno.test("more than 64 connections at once are closed, until one leaves", async () => {
  await using http = serving();
  const connect = () =>
    Deno.connect({ hostname: "127.0.0.1", port: http.port });
  const held: Deno.TcpConn[] = [];
  for (let i = 0; i < 64; i++) held.push(await connect());
  const isRefused = async () => {
    const answer = await http.raw("GET /fine HTTP/1.0\r\n\r\n")
      .catch(() => "");
    return answer === "";
  };
  await until("one too many is refused", isRefused);
  held.pop()!.close();
  await until("there is room again", async () => !(await isRefused()));
  for (const conn of held) conn.close();
});

Deno.test("close() ends connections that wait, and the port is free again", async () => {
  const http = serving();
  const { port } = http;
  using conn = await Deno.connect({ hostname: "127.0.0.1", port });
  await conn.write(new TextEncoder().encode("GET /fi"));
  await http[Symbol.asyncDispose]();
  http.server.close();
  const left = await conn.read(new Uint8Array(1)).catch(() => null);
  assertEquals(left, null);
  const again = denoTransport().listen({ host: "127.0.0.1", port });
  assert(again.address.port === port);
  again.close();
});
