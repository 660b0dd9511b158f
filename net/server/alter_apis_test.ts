/**
 * The APIs that change configs, replicas and features of a cluster as a
 * whole, over raw frames: what is stored, what is refused and with which code.
 *
 * @module
 */
import { assertEquals } from "@std/assert";
import { ERRORS } from "../../core/errors.ts";
import { create, latest, running } from "../../tests/raw_broker.ts";
import { RawClient } from "../../tests/raw_client.ts";
import { DESCRIBE_CONFIGS } from "../wire/32_describe_configs.ts";
import { ALTER_CONFIGS } from "../wire/33_alter_configs.ts";
import { ALTER_PARTITION_REASSIGNMENTS } from "../wire/45_alter_partition_reassignments.ts";
import { LIST_PARTITION_REASSIGNMENTS } from "../wire/46_list_partition_reassignments.ts";

const TOPIC = 2;
const BROKER = 4;
/** Source of a config that the topic itself sets. */
const TOPIC_SOURCE = 1;

type Replacement = [
  type: number,
  name: string,
  configs: Record<string, string | null>,
];

function replace(
  client: RawClient,
  resources: Replacement[],
  { version = 2, validateOnly = false } = {},
) {
  return client.call({ api: ALTER_CONFIGS, version }, {
    resources: resources.map(([resourceType, resourceName, configs]) => ({
      resourceType,
      resourceName,
      configs: Object.entries(configs).map(([name, value]) => ({
        name,
        value,
      })),
    })),
    validateOnly,
  });
}

async function configsOf(client: RawClient, resourceName: string) {
  const { results } = await client.call(latest(DESCRIBE_CONFIGS), {
    resources: [{
      resourceType: TOPIC,
      resourceName,
      configurationKeys: null,
    }],
  });
  return Object.fromEntries(
    results[0]!.configs
      .filter(({ configSource }) => configSource === TOPIC_SOURCE)
      .map(({ name, value }) => [name, value]),
  );
}

Deno.test("AlterConfigs replaces: what is not given goes back to its default", async () => {
  await using at = await running();
  using client = await RawClient.connect(at.port);
  await create(client, "t");
  for (const version of [0, 1, 2]) {
    const both = { "retention.ms": "1000000", "cleanup.policy": "compact" };
    await replace(client, [[TOPIC, "t", both]], { version });
    assertEquals(await configsOf(client, "t"), both);
    const one = { "retention.ms": "2000000" };
    const { responses } = await replace(client, [[TOPIC, "t", one]], {
      version,
    });
    assertEquals(responses, [{
      errorCode: 0,
      errorMessage: null,
      resourceType: TOPIC,
      resourceName: "t",
    }]);
    assertEquals(await configsOf(client, "t"), one);
    await replace(client, [[TOPIC, "t", {}]], { version, validateOnly: true });
    assertEquals(await configsOf(client, "t"), one);
    await replace(client, [[TOPIC, "t", {}]], { version });
    assertEquals(await configsOf(client, "t"), {});
  }
});

Deno.test("AlterConfigs refuses one resource with its code, and changes the others", async () => {
  await using at = await running();
  using client = await RawClient.connect(at.port);
  await create(client, "t");
  await create(client, "u");
  const kept = { "retention.ms": "1000000" };
  await replace(client, [[TOPIC, "t", kept]]);
  const cases: [Replacement, number][] = [
    [[TOPIC, "t", { "retention.ms": null }], ERRORS.INVALID_REQUEST],
    [[TOPIC, "t", { "no.such.key": "1" }], ERRORS.INVALID_CONFIG],
    [[TOPIC, "t", { "retention.ms": "x" }], ERRORS.INVALID_CONFIG],
    [[TOPIC, "none", {}], ERRORS.UNKNOWN_TOPIC_OR_PARTITION],
    [[TOPIC, "a b", {}], ERRORS.INVALID_TOPIC_EXCEPTION],
    [[TOPIC, "", {}], ERRORS.INVALID_REQUEST],
    [[BROKER, "7", {}], ERRORS.INVALID_REQUEST],
    [[BROKER, "x", {}], ERRORS.INVALID_REQUEST],
    [[BROKER, "1", { "log.dirs": "/elsewhere" }], ERRORS.INVALID_REQUEST],
    [[99, "t", {}], ERRORS.INVALID_REQUEST],
    [[BROKER, "1", { "log.retention.ms": "1000000" }], 0],
    [[BROKER, "", {}], 0],
    [[TOPIC, "u", kept], 0],
  ];
  for (const [resource, code] of cases) {
    const { responses } = await replace(client, [resource]);
    assertEquals(responses[0]!.errorCode, code, resource.join(" "));
  }
  const twice = await replace(client, [[TOPIC, "t", {}], [TOPIC, "t", {}], [
    TOPIC,
    "u",
    {},
  ]]);
  assertEquals(twice.responses.map(({ errorCode }) => errorCode), [
    ERRORS.INVALID_REQUEST,
    ERRORS.INVALID_REQUEST,
    0,
  ]);
  assertEquals(await configsOf(client, "t"), kept);
  assertEquals(await configsOf(client, "u"), {});
});

Deno.test("a partition of one node is where it should be; elsewhere it can't go", async () => {
  await using at = await running();
  using client = await RawClient.connect(at.port);
  await create(client, "t", 2);
  for (const version of [0, 1]) {
    const codes = async (name: string, index: number, to: number[] | null) => {
      const { errorCode, responses } = await client.call(
        { api: ALTER_PARTITION_REASSIGNMENTS, version },
        {
          topics: [{
            name,
            partitions: [{ partitionIndex: index, replicas: to }],
          }],
        },
      );
      assertEquals(errorCode, 0);
      assertEquals(responses[0]!.name, name);
      return responses[0]!.partitions[0]!.errorCode;
    };
    assertEquals(await codes("t", 1, [1]), 0);
    assertEquals(
      await codes("t", 0, null),
      ERRORS.NO_REASSIGNMENT_IN_PROGRESS,
    );
    for (const to of [[], [7], [1, 7], [1, 1], [-1]]) {
      assertEquals(await codes("t", 0, to), ERRORS.INVALID_REPLICA_ASSIGNMENT);
    }
    assertEquals(await codes("t", 2, [1]), ERRORS.UNKNOWN_TOPIC_OR_PARTITION);
    assertEquals(await codes("u", 0, null), ERRORS.UNKNOWN_TOPIC_OR_PARTITION);
  }
  const { topics } = await client.call(latest(LIST_PARTITION_REASSIGNMENTS), {
    topics: null,
  });
  assertEquals(topics, []);
});
