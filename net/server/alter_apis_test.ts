/**
 * The APIs that change configs, replicas and features of a cluster as a
 * whole, over raw frames: what is stored, what is refused and with which code.
 *
 * @module
 */
import { assertEquals } from "@std/assert";
import { ERRORS } from "../../core/errors.ts";
import { create, latest, running, start } from "../../tests/raw_broker.ts";
import { RawClient } from "../../tests/raw_client.ts";
import { DESCRIBE_CONFIGS } from "../wire/32_describe_configs.ts";
import { ALTER_CONFIGS } from "../wire/33_alter_configs.ts";
import { API_VERSIONS } from "../wire/18_api_versions.ts";
import { ALTER_PARTITION_REASSIGNMENTS } from "../wire/45_alter_partition_reassignments.ts";
import { LIST_PARTITION_REASSIGNMENTS } from "../wire/46_list_partition_reassignments.ts";
import { UPDATE_FEATURES } from "../wire/57_update_features.ts";

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
    [[BROKER, "", {}], ERRORS.INVALID_CONFIG],
    [[BROKER, "", { "min.insync.replicas": "1" }], 0],
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

async function metadataLevel(client: RawClient): Promise<number> {
  const { finalizedFeatures } = await client.call(
    { api: API_VERSIONS, version: 3 },
    { clientSoftwareName: "raw", clientSoftwareVersion: "1" },
  );
  return finalizedFeatures
    .find(({ name }) => name === "metadata.version")!.maxVersionLevel;
}

type Update = readonly [feature: string, level: number, upgradeType?: number];

async function update(
  client: RawClient,
  updates: readonly Update[],
  { version = 2, validateOnly = false } = {},
) {
  const { errorCode, results } = await client.call(
    { api: UPDATE_FEATURES, version },
    {
      featureUpdates: updates.map(([feature, level, upgradeType = 1]) => ({
        feature,
        maxVersionLevel: level,
        ...version > 0 ? { upgradeType } : {},
      })),
      ...version > 0 ? { validateOnly } : {},
    },
  );
  return { errorCode, features: results.map(({ feature }) => feature) };
}

Deno.test("features go up by an upgrade, down by a downgrade, and stay over a restart", async () => {
  await using at = await running();
  using client = await RawClient.connect(at.port);
  const level = 27;
  assertEquals(await metadataLevel(client), level);
  const up: Update = ["metadata.version", 28];
  const down: Update = ["metadata.version", 25, 2];
  for (const version of [1, 2]) {
    const features = version < 2 ? ["metadata.version"] : [];
    const done = { errorCode: 0, features };
    const validateOnly = true;
    assertEquals(await update(client, [up], { version, validateOnly }), done);
    assertEquals(await metadataLevel(client), version < 2 ? level : 25);
    assertEquals(await update(client, [up], { version }), done);
    assertEquals(await metadataLevel(client), 28);
    assertEquals(await update(client, [down], { version }), done);
    assertEquals(await metadataLevel(client), 25);
  }
  assertEquals(await update(client, [up], { version: 0 }), {
    errorCode: 0,
    features: ["metadata.version"],
  });
  await at.broker.stop();
  const again = await start(at.folder);
  try {
    using other = await RawClient.connect(again.address.port);
    assertEquals(await metadataLevel(other), 28);
  } finally {
    await again.stop();
  }
});

Deno.test("a level that can't be is refused, and with it all others of the request", async () => {
  await using at = await running();
  using client = await RawClient.connect(at.port);
  const UPGRADE = 1;
  const SAFE = 2;
  const UNSAFE = 3;
  const refused: Update[] = [
    ["no.such.feature", 1],
    ["no.such.feature", 0, SAFE],
    ["metadata.version", 26, UPGRADE],
    ["metadata.version", 28, SAFE],
    ["metadata.version", 28, UNSAFE],
    ["metadata.version", 99],
    ["metadata.version", 3, UNSAFE],
    ["metadata.version", 0, UNSAFE],
    // 4.0-IV1 brought a field: what is older can't hold it.
    ["metadata.version", 22, SAFE],
    ["metadata.version", 22, UNSAFE],
    ["group.version", -1, SAFE],
    ["metadata.version", 27, 0],
    ["metadata.version", 27, 9],
  ];
  for (const each of refused) {
    assertEquals(
      await update(client, [["metadata.version", 28], each]),
      { errorCode: ERRORS.INVALID_UPDATE_VERSION, features: [] },
      each.join(" "),
    );
    const { errorCode, features } = await update(client, [each], {
      version: 1,
    });
    assertEquals([errorCode, features], [ERRORS.INVALID_UPDATE_VERSION, []]);
  }
  // Version 0 knows no downgrade.
  const down = await update(client, [["metadata.version", 26]], { version: 0 });
  assertEquals(down.errorCode, ERRORS.INVALID_UPDATE_VERSION);
  assertEquals(await metadataLevel(client), 27);
  assertEquals((await update(client, [])).errorCode, 0);
});
