/**
 * One connection against scripted peers in memory.
 *
 * @module
 */
import { assert, assertEquals, assertMatch, assertRejects } from "@std/assert";
import { denoEnv } from "../../core/env/deno_env.ts";
import { KafkaError } from "../../core/errors.ts";
import { LIMITS } from "../../core/limits.ts";
import { memoryTransport } from "../tcp/memory_tcp.ts";
import type { Connection, Transport } from "../tcp/transport.ts";
import { METADATA } from "../wire/03_metadata.ts";
import { API_VERSIONS } from "../wire/18_api_versions.ts";
import { decodeRequestHeader, encodeResponse } from "../wire/headers.ts";
import { FrameReader } from "./frame_reader.ts";
import { Link } from "./link.ts";
import { LinkError } from "./link_error.ts";

const VERSIONS = {
  apiKeys: [
    { apiKey: 3, minVersion: 0, maxVersion: 12 },
    { apiKey: 18, minVersion: 0, maxVersion: 4 },
  ],
};

type Header = ReturnType<typeof decodeRequestHeader>;

/** A peer that is told what to write for each request. */
function scripted(
  transport: Transport,
  script: (header: Header, index: number) => Uint8Array | "close" | undefined,
): { port: number; close: () => Promise<void> } {
  const listener = transport.listen({ host: "localhost", port: 0 });
  const serve = async (connection: Connection) => {
    const frames = new FrameReader(connection, LIMITS.frameBytesMax);
    try {
      for (let i = 0;; i++) {
        const frame = await frames.next();
        if (!frame) break;
        const answer = script(decodeRequestHeader(frame), i);
        if (answer === "close") break;
        if (answer) await connection.writeAll(answer);
      }
    } catch {
      // The client hung up.
    }
    connection.close();
  };
  const serving = (async () => {
    for (;;) {
      const connection = await listener.accept();
      if (!connection) return;
      await serve(connection);
    }
  })();
  return {
    port: listener.address.port,
    close: () => {
      listener.close();
      return serving;
    },
  };
}

function versionsAnswer({ apiVersion, correlationId }: Header): Uint8Array {
  return encodeResponse(
    { api: API_VERSIONS, version: apiVersion, correlationId },
    VERSIONS,
  );
}

function metadataAnswer(header: Header): Uint8Array {
  const { apiVersion: version, correlationId } = header;
  return encodeResponse({ api: METADATA, version, correlationId }, {
    clusterId: `c${correlationId}`,
  });
}

function open(
  transport: Transport,
  port: number,
  options: { requestTimeoutMs?: number; isAdvertised?: boolean } = {},
): Promise<Link> {
  return Link.open({
    env: denoEnv(),
    transport,
    address: { host: "localhost", port },
    clientId: "test",
    isAdvertised: options.isAdvertised ?? false,
    connectTimeoutMs: 5000,
    requestTimeoutMs: options.requestTimeoutMs ?? 5000,
  });
}

Deno.test("open() falls back when the peer refuses its ApiVersions", async () => {
  const transport = memoryTransport();
  const asked: number[] = [];
  const peer = scripted(transport, (header) => {
    asked.push(header.apiVersion);
    const { correlationId } = header;
    return header.apiVersion > 4
      ? encodeResponse({ api: API_VERSIONS, version: 0, correlationId }, {
        ...VERSIONS,
        errorCode: 35,
      })
      : versionsAnswer(header);
  });
  const link = await open(transport, peer.port);
  assertEquals(asked, [5, 4]);
  assertEquals(link.version(METADATA), 12);
  assertEquals(link.version(METADATA, 9), 9);
  link.close();
  await peer.close();
});

Deno.test("requests in flight get their own answers", async () => {
  const transport = memoryTransport();
  const peer = scripted(
    transport,
    (header) =>
      header.apiKey === 18 ? versionsAnswer(header) : metadataAnswer(header),
  );
  const link = await open(transport, peer.port);
  const answers = await Promise.all(
    [1, 2, 3].map(() => link.request(METADATA, {})),
  );
  assertEquals(answers.map(({ clusterId }) => clusterId), ["c2", "c3", "c4"]);
  link.close();
  await peer.close();
});

Deno.test("a peer that is too old for what a request says is named", async () => {
  const transport = memoryTransport();
  const peer = scripted(
    transport,
    ({ apiVersion: version, correlationId }) =>
      encodeResponse({ api: API_VERSIONS, version, correlationId }, {
        apiKeys: [{ apiKey: 3, minVersion: 0, maxVersion: 3 }],
      }),
  );
  const link = await open(transport, peer.port);
  const body = { topics: [], allowAutoTopicCreation: false };
  for (
    const send of [link.request(METADATA, body), link.sendOnly(METADATA, body)]
  ) {
    const error = await assertRejects(() => send, KafkaError);
    assertEquals(error.error, "UNSUPPORTED_VERSION");
    assertMatch(
      error.message,
      /^Cannot send Metadata to localhost:\d+: version 3,.* MetadataRequest.allowAutoTopicCreation$/,
    );
  }
  assertEquals(link.error, undefined);
  link.close();
  await peer.close();
});

Deno.test("pending requests fail when the peer hangs up", async () => {
  const transport = memoryTransport();
  const peer = scripted(
    transport,
    (header) => header.apiKey === 18 ? versionsAnswer(header) : "close",
  );
  const link = await open(transport, peer.port);
  const results = await Promise.allSettled(
    [1, 2].map(() => link.request(METADATA, {})),
  );
  assert(results.every(({ status }) => status === "rejected"));
  assertEquals(link.error?.error, "NETWORK_EXCEPTION");
  await assertRejects(() => link.request(METADATA, {}), LinkError);
  await peer.close();
});

Deno.test("a late answer ends the link", async () => {
  const transport = memoryTransport();
  const peer = scripted(
    transport,
    (header) => header.apiKey === 18 ? versionsAnswer(header) : undefined,
  );
  const link = await open(transport, peer.port, { requestTimeoutMs: 20 });
  const error = await assertRejects(
    () => link.request(METADATA, {}),
    LinkError,
  );
  assertEquals([error.step, error.error], ["timeout", "REQUEST_TIMED_OUT"]);
  await peer.close();
});

Deno.test("what is no Kafka broker is called so", async () => {
  const garbage = [
    new TextEncoder().encode("HTTP/1.1 400 Bad Request\r\n\r\n"),
    Uint8Array.of(0, 0, 0, 1, 9),
    Uint8Array.of(0, 0, 0, 6, 0, 0, 0, 99, 0, 0),
    Uint8Array.of(0, 0, 0, 7, 0, 0, 0, 1, 0, 0, 77),
  ];
  for (const bytes of garbage) {
    const transport = memoryTransport();
    const peer = scripted(transport, () => bytes);
    const error = await assertRejects(
      () => open(transport, peer.port),
      LinkError,
    );
    assertEquals(error.step, "protocol");
    await peer.close();
  }
});

Deno.test("a dial that fails names the advertised address", async () => {
  const transport = memoryTransport();
  const error = await assertRejects(
    () => open(transport, 1, { isAdvertised: true }),
    LinkError,
    "advertise",
  );
  assertEquals(error.step, "advertised");
  assertEquals(error.message.split("Cannot connect to").length, 2);
});

Deno.test("a link that keeps quiet after a throttled answer leaves no timer when it is closed", async () => {
  const transport = memoryTransport();
  const peer = scripted(transport, (header) => {
    if (header.apiKey === API_VERSIONS.key) return versionsAnswer(header);
    const { apiVersion: version, correlationId } = header;
    return encodeResponse({ api: METADATA, version, correlationId }, {
      throttleTimeMs: 0x7fffffff,
    });
  });
  const link = await open(transport, peer.port);
  await link.request(METADATA, { topics: [] });
  const refused = assertRejects(
    () => link.request(METADATA, { topics: [] }),
    LinkError,
    "closed",
  );
  link.close();
  await refused;
  await peer.close();
});
