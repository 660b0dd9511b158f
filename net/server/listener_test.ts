/**
 * Several listeners of one broker: each tells its clients its own addresses,
 * a controller's serves other APIs, and what doesn't fit together is refused
 * before a port is taken.
 *
 * @module
 */
import { assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import { freePort } from "../../tests/ports.ts";
import { RawClient } from "../../tests/raw_client.ts";
import { latest, running, start } from "../../tests/raw_broker.ts";
import { temporaryFolder } from "../../tests/fixtures.ts";
import { ERRORS, KafkaError } from "../../core/errors.ts";
import { METADATA } from "../wire/03_metadata.ts";
import { API_VERSIONS } from "../wire/18_api_versions.ts";
import { CREATE_TOPICS } from "../wire/19_create_topics.ts";
import { DESCRIBE_CLUSTER } from "../wire/60_describe_cluster.ts";

function three({ port, control }: { port: number; control: number }) {
  return {
    "listeners": [
      "PLAINTEXT://127.0.0.1:0",
      `OUTSIDE://127.0.0.1:${port}`,
      `CONTROLLER://127.0.0.1:${control}`,
    ].join(),
    "advertised.listeners": "OUTSIDE://kf.example:7000",
    "listener.security.protocol.map":
      "PLAINTEXT:PLAINTEXT,OUTSIDE:PLAINTEXT,CONTROLLER:PLAINTEXT",
    "controller.listener.names": "CONTROLLER",
  };
}

Deno.test("each listener tells its clients its own address", async () => {
  const port = freePort();
  await using node = await running(three({ port, control: freePort() }));
  using inside = await RawClient.connect(node.port);
  using outside = await RawClient.connect(port);
  const addresses = await Promise.all([inside, outside].map(async (client) => {
    const { brokers } = await client.call(latest(METADATA), { topics: [] });
    const cluster = await client.call(latest(DESCRIBE_CLUSTER), {});
    const [{ host, port }] = brokers as [typeof brokers[number]];
    assertEquals(cluster.brokers.map(({ host }) => host), [host]);
    return { host, port };
  }));
  assertEquals(addresses, [
    { host: "127.0.0.1", port: node.port },
    { host: "kf.example", port: 7000 },
  ]);
});

Deno.test("a controller's listener serves brokers, not clients", async () => {
  const control = freePort();
  await using _ = await running(three({ port: freePort(), control }));
  using client = await RawClient.connect(control);
  const { apiKeys } = await client.call(latest(API_VERSIONS), {
    clientSoftwareName: "raw",
    clientSoftwareVersion: "1",
  });
  const keys = apiKeys.map(({ apiKey }) => apiKey);
  assertEquals(keys.includes(CREATE_TOPICS.key), true);
  assertEquals(keys.includes(METADATA.key), false);
  // Brokers alone create internal topics; a client's listener refuses that.
  const { topics } = await client.call(latest(CREATE_TOPICS), {
    topics: [{
      name: "__consumer_offsets",
      numPartitions: 1,
      replicationFactor: 1,
    }],
  });
  assertEquals(topics[0]!.errorCode, ERRORS.NONE);
  await client.send(latest(METADATA), { topics: [] });
  assertEquals(await client.isClosedByBroker(), true);
});

type Refused = readonly [config: Record<string, string>, why: string];

const TOGETHER = {
  "listeners": "PLAINTEXT://127.0.0.1:0,CONTROLLER://127.0.0.1:0",
  "controller.listener.names": "CONTROLLER",
  "controller.quorum.voters": "1@127.0.0.1:1,2@127.0.0.1:2",
};

/** Each config is refused for that reason. */
async function areRefused(refused: readonly Refused[]): Promise<void> {
  using folder = temporaryFolder();
  for (const [config, why] of refused) {
    const error = await assertRejects(
      () => start(folder.path, { config }),
      KafkaError,
    );
    assertStringIncludes(error.message, why);
    assertEquals(error.error, "INVALID_CONFIG");
  }
}

Deno.test("listeners and voters that don't fit together are refused", async () => {
  const control = three({ port: 0, control: 0 });
  const refused: Refused[] = [
    [{ "listeners": "OUTSIDE://h:1" }, "add OUTSIDE:PLAINTEXT to"],
    [{ "listeners": "SSL://h:1" }, "only PLAINTEXT"],
    [{ "listeners": "PLAINTEXT://a:1,PLAINTEXT://b:2" }, "named twice"],
    [{ "listeners": "PLAINTEXT//h" }, "write PLAINTEXT://HOST:PORT"],
    [{ "listeners": "" }, "name one for clients"],
    [{ "advertised.listeners": "PLAINTEXT://0.0.0.0:1" }, "name a host"],
    [{ "advertised.listeners": "OTHER://h:1" }, "no listener OTHER"],
    [{ "controller.listener.names": "OTHER" }, "no listener OTHER"],
    [{ "controller.listener.names": "PLAINTEXT" }, "name one for clients"],
    [{ "inter.broker.listener.name": "OTHER" }, "no such listener"],
    [
      { ...control, "inter.broker.listener.name": "controller" },
      "controller's",
    ],
    [{ "listener.security.protocol.map": "PLAINTEXT" }, "write NAME:PLAINTEXT"],
    [{ "controller.quorum.voters": "1@h" }, "write ID@HOST:PORT"],
    [{ "controller.quorum.voters": "1@h:0" }, "write ID@HOST:PORT"],
    [{ "controller.quorum.voters": "1@h:1,1@i:1" }, "named twice"],
    [{ "controller.quorum.voters": "2@h:1" }, "must be among them"],
    [{ ...TOGETHER, "kf.cluster.id": "x" }, "22 characters"],
    [TOGETHER, "the same kf.cluster.id"],
    [
      { ...TOGETHER, "listeners": "PLAINTEXT://:0,CONTROLLER://127.0.0.1:0" },
      "say with advertised.listeners",
    ],
    [{ "controller.quorum.voters": "1@h:1" }, "name the listener"],
  ];
  await areRefused(refused);
});

Deno.test("roles that the rest of the config doesn't fit are refused", async () => {
  const alone = {
    ...TOGETHER,
    "listeners": "PLAINTEXT://127.0.0.1:0",
    "process.roles": "broker",
  };
  await areRefused([
    [{ "process.roles": "" }, "write broker, controller, or both"],
    [{ "process.roles": "controller" }, "name the others"],
    [{ "process.roles": "broker" }, "name the others"],
    [
      { ...TOGETHER, "process.roles": "broker" },
      "no controller by process.roles, so it must not be among them",
    ],
    [
      { ...TOGETHER, "process.roles": "broker", "node.id": "3" },
      "take CONTROLLER out of",
    ],
    [
      { ...TOGETHER, "process.roles": "controller" },
      "PLAINTEXT must be among controller.listener.names",
    ],
    [{ ...alone, "node.id": "3" }, "the kf.cluster.id of its controllers"],
    [
      { ...alone, "listeners": "PLAINTEXT://:0", "node.id": "3" },
      "say with advertised.listeners",
    ],
    [
      { ...alone, "controller.listener.names": "", "node.id": "3" },
      "name the listener",
    ],
    [
      { "controller.quorum.bootstrap.servers": "h", "process.roles": "broker" },
      "write HOST:PORT",
    ],
  ]);
});
