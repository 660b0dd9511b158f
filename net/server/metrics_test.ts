/**
 * What a broker's `/metrics` says after real requests, that the documentation
 * names exactly what is served, and that series are bounded.
 *
 * @module
 */
import { assert, assertEquals } from "@std/assert";
import { buildBatch } from "../../core/record/builder.ts";
import { temporaryFolder } from "../../tests/fixtures.ts";
import {
  create,
  fetch as fetchRecords,
  latest,
  produce,
  records,
} from "../../tests/raw_broker.ts";
import { RawClient } from "../../tests/raw_client.ts";
import { type RunningBroker, startBroker } from "../broker.ts";
import { FIND_COORDINATOR } from "../wire/10_find_coordinator.ts";
import { OFFSET_COMMIT } from "../wire/08_offset_commit.ts";
import { CONSUMER_GROUP_HEARTBEAT } from "../wire/68_consumer_group_heartbeat.ts";
import { DELETE_TOPICS } from "../wire/20_delete_topics.ts";

interface Serving extends AsyncDisposable {
  readonly client: RawClient;
  scrape(accept?: string): Promise<Response>;
  /** Values by name and labels, as they stand in the text. */
  values(): Promise<Map<string, number>>;
}

async function serving(
  config: Readonly<Record<string, string>> = {},
): Promise<Serving> {
  const folder = temporaryFolder();
  const broker: RunningBroker = await startBroker({
    traceLevel: "error",
    config: new Map(Object.entries({
      "listeners": "PLAINTEXT://127.0.0.1:0",
      "log.dirs": folder.path,
      "kf.http.listener": "127.0.0.1:0",
      "offsets.topic.num.partitions": "1",
      ...config,
    })),
  });
  const client = await RawClient.connect(broker.port);
  const scrape = (accept = "*/*") =>
    fetch(`http://${broker.httpAddress}/metrics`, { headers: { accept } });
  return {
    client,
    scrape,
    async values() {
      const text = await (await scrape()).text();
      return new Map(
        text.split("\n").filter((line) => /^[a-z]/.test(line)).map((line) => {
          const at = line.lastIndexOf(" ");
          return [line.slice(0, at), Number(line.slice(at + 1))];
        }),
      );
    },
    async [Symbol.asyncDispose]() {
      client[Symbol.dispose]();
      await broker.stop();
      folder[Symbol.dispose]();
    },
  };
}

/** A group that has committed an offset. */
async function commit(client: RawClient, groupId: string): Promise<void> {
  const coordinatorKeys = [groupId];
  await client.call(latest(FIND_COORDINATOR), { keyType: 0, coordinatorKeys });
  const { topics } = await client.call({ api: OFFSET_COMMIT, version: 8 }, {
    groupId,
    topics: [{
      name: "t",
      partitions: [{ partitionIndex: 0, committedOffset: 1 }],
    }],
  });
  assertEquals(topics[0]!.partitions[0]!.errorCode, 0);
}

/** A consumer group with one member and nothing to reconcile. */
async function join(client: RawClient, groupId: string): Promise<void> {
  const { errorCode } = await client.call(
    { api: CONSUMER_GROUP_HEARTBEAT, version: 1 },
    {
      groupId,
      memberId: "member",
      memberEpoch: 0,
      rebalanceTimeoutMs: 60_000,
      subscribedTopicNames: ["t"],
      topicPartitions: [],
    },
  );
  assertEquals(errorCode, 0);
}

const TOPIC = "kafka_server_brokertopicmetrics";
const REQUESTS = "kafka_network_requestmetrics";
const GROUPS = "kafka_coordinator_group_groupmetadatamanager";
const NEW_GROUPS = "kafka_server_group_coordinator_metrics";

Deno.test("docs/METRICS.md names exactly what is served, with types and labels", async () => {
  await using kf = await serving();
  await create(kf.client, "t");
  await commit(kf.client, "g");
  const served: string[] = [];
  const labels = new Map<string, Set<string>>();
  const text = await (await kf.scrape()).text();
  let name = "";
  for (const line of text.trim().split("\n")) {
    const type = /^# TYPE (\S+) (\S+)$/.exec(line);
    if (type !== null) {
      name = type[1]!;
      served.push(`${name} ${type[2]}`);
      labels.set(name, new Set());
    }
    for (const [, label] of line.matchAll(/[{,](\w+)="/g)) {
      if (label !== "le" && label !== "quantile") labels.get(name)!.add(label!);
    }
  }
  const doc = Deno.readTextFileSync(
    new URL("../../docs/METRICS.md", import.meta.url),
  );
  const rows = [...doc.matchAll(/^\| `(\w+)` +\| (\w+) +\| ([\w, ]*?) *\|/gm)];
  assertEquals(
    rows.map(([, name, type]) => `${name} ${type}`).sort(),
    served.sort(),
  );
  for (const [, name, , text] of rows) {
    assertEquals([...labels.get(name!)!].join(", "), text, name);
  }
});

Deno.test("records, bytes and refusals are counted per topic and in all", async () => {
  await using kf = await serving();
  const { client } = kf;
  await create(client, "t");
  await create(client, "u");
  const batch = buildBatch(records("a", "b", "c"));
  await produce(client, batch.slice());
  await produce(client, batch.slice(), { topic: "u", acks: 1 });
  const broken = batch.slice();
  broken[broken.length - 1]! ^= 1;
  await produce(client, broken);
  await produce(client, batch.slice(), { topic: "nowhere" });
  await fetchRecords(client);
  await fetchRecords(client, { offset: 3 });
  await fetchRecords(client, { offset: 99 });
  const values = await kf.values();
  const count = (name: string, topic: string) =>
    values.get(`${TOPIC}_${name}_total${topic && `{topic="${topic}"}`}`);
  const size = batch.length;
  for (
    const [topic, ...expected] of [
      ["t", 3, size, 2, 1, size, 3, 1],
      ["u", 3, size, 1, 0, 0, 0, 0],
      ["", 6, 2 * size, 4, 2, size, 3, 1],
    ] as const
  ) {
    assertEquals(
      [
        count("messagesin", topic),
        count("bytesin", topic),
        count("totalproducerequests", topic),
        count("failedproducerequests", topic),
        count("bytesout", topic),
        count("totalfetchrequests", topic),
        count("failedfetchrequests", topic),
      ],
      expected,
      topic,
    );
  }
});

Deno.test("requests are counted by API and version, and timed", async () => {
  await using kf = await serving();
  const { client } = kf;
  await create(client, "t");
  const batch = buildBatch(records("a"));
  await produce(client, batch.slice(), { version: 9 });
  await produce(client, batch.slice());
  await produce(client, batch.slice());
  const waited = fetchRecords(client, { offset: 3, maxWaitMs: 150 });
  assertEquals((await waited).records?.length, 0);
  const values = await kf.values();
  const at = (name: string, labels: string) => values.get(`${name}{${labels}}`);
  const requests = `${REQUESTS}_requests_total`;
  assertEquals(at(requests, 'request="Produce",version="9"'), 1);
  assertEquals(at(requests, 'request="Produce",version="12"'), 2);
  const times = `${REQUESTS}_totaltimems`;
  assertEquals(at(`${times}_count`, 'request="Produce"'), 3);
  for (const request of ["Fetch", "FetchConsumer"]) {
    assertEquals(at(requests, `request="${request}",version="12"`), 1);
    assert(at(`${times}_sum`, `request="${request}"`)! >= 140);
    assert(at(times, `request="${request}",quantile="0.99"`)! > 100);
    const bucket = "kf_request_duration_seconds_bucket";
    assertEquals(at(bucket, `request="${request}",le="0.1"`), 0);
    assertEquals(at(bucket, `request="${request}",le="+Inf"`), 1);
  }
});

Deno.test("logs, groups, connections and the cluster are told as they are now", async () => {
  await using kf = await serving();
  const { client } = kf;
  await create(client, "t", 2);
  const batch = buildBatch(records("a", "b"));
  await produce(client, batch, { index: 1 });
  await commit(client, "g");
  await join(client, "c");
  const values = await kf.values();
  const place = '{topic="t",partition="1"}';
  const expected = {
    [`kafka_log_log_size${place}`]: batch.length,
    [`kafka_log_log_logstartoffset${place}`]: 0,
    [`kafka_log_log_logendoffset${place}`]: 2,
    [`${NEW_GROUPS}_group_count{protocol="classic"}`]: 1,
    [`${NEW_GROUPS}_group_count{protocol="consumer"}`]: 1,
    [`${NEW_GROUPS}_consumer_group_count{state="Stable"}`]: 1,
    [`${NEW_GROUPS}_consumer_group_count{state="Empty"}`]: 0,
    [`${GROUPS}_numgroups`]: 1,
    [`${GROUPS}_numgroupsempty`]: 1,
    [`${GROUPS}_numgroupsstable`]: 0,
    'kafka_server_socket_server_metrics_connection_count{listener="PLAINTEXT"}':
      1,
    "kafka_controller_kafkacontroller_globaltopiccount": 2,
    "kafka_controller_kafkacontroller_globalpartitioncount": 3,
    "kafka_controller_kafkacontroller_offlinepartitionscount": 0,
    "kafka_server_replicamanager_leadercount": 3,
    "kafka_server_replicamanager_underreplicatedpartitions": 0,
    "kafka_server_kafkaserver_brokerstate": 3,
  };
  for (const [name, value] of Object.entries(expected)) {
    assertEquals(values.get(name), value, name);
  }
  assert(values.get("process_resident_memory_bytes")! > 1e6);
  assert(values.get("process_start_time_seconds")! <= Date.now() / 1000);
});

Deno.test("a deleted topic's series go, and what it counted stays in the broker's", async () => {
  await using kf = await serving();
  const { client } = kf;
  await create(client, "t");
  await produce(client, buildBatch(records("a")));
  await client.call({ api: DELETE_TOPICS, version: 3 }, {
    topicNames: ["t"],
    timeoutMs: 1000,
  });
  const values = await kf.values();
  assertEquals([...values.keys()].filter((name) => name.includes('"t"')), []);
  assertEquals(values.get(`${TOPIC}_messagesin_total`), 1);
});

Deno.test("above the limit partitions and topics have no series of their own", async () => {
  await using kf = await serving({ "kf.metrics.partitions.max": "2" });
  await create(kf.client, "t", 3);
  const batch = buildBatch(records("a"));
  await produce(kf.client, batch);
  const values = await kf.values();
  assertEquals([...values.keys()].filter((name) => name.includes('"t"')), []);
  assertEquals(values.get("kf_metrics_partitions_left_out"), 3);
  assertEquals(values.get("kf_log_size_bytes"), batch.length);
  assertEquals(values.get(`${TOPIC}_messagesin_total`), 1);
});

Deno.test("a scraper gets the format that it asks for", async () => {
  await using kf = await serving();
  const plain = await kf.scrape("text/plain;version=0.0.4");
  assertEquals(
    plain.headers.get("content-type"),
    "text/plain; version=0.0.4; charset=utf-8",
  );
  assert(!(await plain.text()).includes("# EOF"));
  const open = await kf.scrape("application/openmetrics-text;version=1.0.0");
  assertEquals(
    open.headers.get("content-type"),
    "application/openmetrics-text; version=1.0.0; charset=utf-8",
  );
  assert((await open.text()).endsWith("\n# EOF\n"));
});
