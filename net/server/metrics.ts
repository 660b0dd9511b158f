/**
 * What a broker measures, under the names that the JMX exporter gives Kafka's
 * MBeans, so that dashboards made for Kafka show kf. Owns names and what they
 * are made from; it reads and must never change anything. `docs/METRICS.md`
 * tells the MBeans; a test holds it against what is served.
 *
 * @module
 */
import type { ProcessUsage } from "../../core/env/env.ts";
import type { ConsumerGroupState } from "../../core/group/consumer_group.ts";
import type { GroupState } from "../../core/group/group.ts";
import type { LogCleaner } from "../../core/log/cleaner/log_cleaner.ts";
import type { MetadataImage } from "../../core/metadata/image.ts";
import type { TxnState } from "../../core/txn/transaction.ts";
import type { Labels, Metric, Sample } from "../http/exposition.ts";
import { FETCH } from "../wire/01_fetch.ts";
import type { Acceptor } from "./acceptor.ts";
import type { Groups } from "./groups.ts";
import type { Hosting } from "./hosting.ts";
import {
  type ApiStats,
  type BrokerStats,
  type Latency,
  LATENCY_BOUNDS_MS,
  type ReplicationStats,
  type Traffic,
} from "./stats.ts";
import type { Transactions } from "./transactions.ts";

/** What can be asked of a broker once its logs are open. */
export interface Serving {
  readonly nodeId: number;
  readonly image: MetadataImage;
  readonly hosting: Hosting;
  readonly groups: Groups;
  readonly transactions: Transactions;
  /** Of each listener, by its name. */
  readonly acceptors: ReadonlyMap<string, Acceptor>;
  readonly cleaner: LogCleaner;
  /** Up to so many partitions each topic and partition has series of its own. */
  readonly partitionsMax: number;
}

/** What can be asked of a broker at any time. */
export interface Measured {
  readonly stats: BrokerStats;
  /** Kafka's number of the state that the broker is in. */
  readonly state: number;
  /** Undefined where nothing tells of the process. */
  readonly usage: ProcessUsage | undefined;
  /** Undefined while the broker starts. */
  readonly serving: Serving | undefined;
}

type Head = readonly [name: string, help: string];

const QUANTILES = [0.5, 0.75, 0.95, 0.98, 0.99, 0.999];
/** Dashboards ask for consumers' fetches; here is nobody else who fetches. */
const FETCH_CONSUMER = "FetchConsumer";

const TRAFFIC: readonly (readonly [keyof Traffic, ...Head])[] = [
  ["messagesIn", "messagesin", "Records that were appended."],
  ["bytesIn", "bytesin", "Bytes of records that were appended."],
  ["bytesOut", "bytesout", "Bytes of records that were fetched."],
  [
    "produceRequests",
    "totalproducerequests",
    "Partitions that were produced to.",
  ],
  ["fetchRequests", "totalfetchrequests", "Partitions that were fetched."],
  [
    "failedProduce",
    "failedproducerequests",
    "Partitions whose Produce was answered with an error.",
  ],
  [
    "failedFetch",
    "failedfetchrequests",
    "Partitions whose Fetch was answered with an error.",
  ],
];

const GROUP_STATES: readonly (readonly [GroupState, string])[] = [
  ["Empty", "empty"],
  ["PreparingRebalance", "preparingrebalance"],
  ["CompletingRebalance", "completingrebalance"],
  ["Stable", "stable"],
];

const CONSUMER_STATES: readonly ConsumerGroupState[] = [
  "Empty",
  "Assigning",
  "Reconciling",
  "Stable",
];

const TXN_STATES: readonly TxnState[] = [
  "Empty",
  "Ongoing",
  "PrepareCommit",
  "PrepareAbort",
  "CompleteCommit",
  "CompleteAbort",
];

/** Everything that `broker` measures. */
export function metricsOf(broker: Measured): Metric[] {
  const { stats, state, usage, serving } = broker;
  return [
    gauge(
      ["kafka_server_kafkaserver_brokerstate", "1 starts, 3 runs, 7 stops."],
      [{ value: state }],
    ),
    ...trafficMetrics(stats, serving),
    ...replicationMetrics(stats.replication),
    ...requestMetrics([...stats.apis].filter(({ latency }) => latency.count)),
    summary(
      [
        "kafka_log_logflushstats_logflushrateandtimems",
        "Milliseconds that syncs of logs took; quantiles of the last minute or two.",
      ],
      [{ latency: stats.logFlush }],
    ),
    histogram(
      ["kf_event_loop_lag_seconds", "How late timers of the broker came."],
      [{ latency: stats.loopLag }],
    ),
    ...usage === undefined ? [] : processMetrics(usage),
    ...serving === undefined ? [] : servingMetrics(serving),
  ];
}

function gauge([name, help]: Head, samples: readonly Sample[]): Metric {
  return { name, type: "gauge", help, samples };
}

function counter([name, help]: Head, samples: readonly Sample[]): Metric {
  return { name, type: "counter", help, samples };
}

interface Timed {
  readonly latency: Latency;
  readonly labels?: Labels;
}

function histogram([name, help]: Head, timed: readonly Timed[]): Metric {
  const samples = timed.flatMap(({ latency, labels = {} }): Sample[] => {
    let value = 0;
    const buckets = [...latency.buckets].map((count, at): Sample => {
      const bound = LATENCY_BOUNDS_MS[at];
      const le = bound === undefined ? Infinity : bound / 1000;
      return {
        suffix: "_bucket",
        labels: { ...labels, le },
        value: value += count,
      };
    });
    return [
      ...buckets,
      { suffix: "_sum", labels, value: latency.sumMs / 1000 },
      { suffix: "_count", labels, value },
    ];
  });
  return { name, type: "histogram", help, samples };
}

function summary([name, help]: Head, timed: readonly Timed[]): Metric {
  const samples = timed.flatMap(({ latency, labels = {} }): Sample[] => [
    ...QUANTILES.map((quantile) => ({
      labels: { ...labels, quantile },
      value: latency.quantileMs(quantile),
    })),
    { suffix: "_sum", labels, value: latency.sumMs },
    { suffix: "_count", labels, value: latency.count },
  ]);
  return { name, type: "summary", help, samples };
}

function trafficMetrics(
  { traffic: total }: BrokerStats,
  serving: Serving | undefined,
): Metric[] {
  const topics = serving !== undefined && hasOwnSeries(serving)
    ? [...serving.hosting.traffic]
    : [];
  return TRAFFIC.map(([field, name, help]) =>
    counter([`kafka_server_brokertopicmetrics_${name}_total`, help], [
      { value: total[field] as number },
      ...topics.map(([topic, traffic]) => ({
        labels: { topic },
        value: traffic[field] as number,
      })),
    ])
  );
}

function replicationMetrics(replication: ReplicationStats): Metric[] {
  const count = (name: string, help: string, value: number) =>
    counter([`kafka_server_${name}_total`, help], [{ value }]);
  const { bytesIn, bytesOut, isrShrinks, isrExpands } = replication;
  return [
    count(
      "brokertopicmetrics_replicationbytesin",
      "Bytes of records that were taken from leaders.",
      bytesIn,
    ),
    count(
      "brokertopicmetrics_replicationbytesout",
      "Bytes of records that followers fetched.",
      bytesOut,
    ),
    count(
      "replicamanager_isrshrinks",
      "Followers that were let go because they lagged.",
      isrShrinks,
    ),
    count(
      "replicamanager_isrexpands",
      "Followers that came to be in sync.",
      isrExpands,
    ),
    count(
      "replicamanager_failedisrupdates",
      "In-sync replicas that the controller refused.",
      replication.failedIsrUpdates,
    ),
  ];
}

function requestMetrics(apis: readonly ApiStats[]): Metric[] {
  const named = apis.flatMap((api) =>
    api.name === FETCH.name
      ? [{ api, request: api.name }, { api, request: FETCH_CONSUMER }]
      : [{ api, request: api.name }]
  );
  const timed = named.map(({ api: { latency }, request }) => ({
    latency,
    labels: { request },
  }));
  return [
    counter(
      ["kafka_network_requestmetrics_requests_total", "Requests that came."],
      named.flatMap(({ api: { versions }, request }) =>
        [...versions]
          .map((value, version) => ({ labels: { request, version }, value }))
          .filter(({ value }) => value > 0)
      ),
    ),
    summary(
      [
        "kafka_network_requestmetrics_totaltimems",
        "Milliseconds from request to answer; quantiles of the last minute or two.",
      ],
      timed,
    ),
    histogram(
      ["kf_request_duration_seconds", "Time from request to answer."],
      timed,
    ),
  ];
}

function processMetrics(usage: ProcessUsage): Metric[] {
  return [
    gauge(
      ["process_start_time_seconds", "When the process began, Unix time."],
      [{ value: usage.startedAtSeconds }],
    ),
    counter(
      ["process_cpu_seconds_total", "Processor time of the process."],
      [{ value: usage.cpuSeconds }],
    ),
    gauge(
      ["process_resident_memory_bytes", "Memory of the process in RAM."],
      [{ value: usage.residentBytes }],
    ),
    gauge(
      ["kf_heap_used_bytes", "Memory of JavaScript objects and garbage."],
      [{ value: usage.heapBytes }],
    ),
  ];
}

function servingMetrics(serving: Serving): Metric[] {
  return [
    ...replicaMetrics(serving),
    ...clusterMetrics(serving),
    ...groupMetrics(serving.groups),
    transactionMetric(serving.transactions),
    ...connectionMetrics(serving.acceptors),
    ...cleanerMetrics(serving.cleaner),
    ...logMetrics(serving),
  ];
}

function replicaMetrics({ image, nodeId, hosting }: Serving): Metric[] {
  let leaders = 0;
  let underReplicated = 0;
  for (const { partitions } of image.topics.values()) {
    for (const { leader, isr, replicas } of partitions) {
      if (leader !== nodeId) continue;
      leaders++;
      if (isr.length < replicas.length) underReplicated++;
    }
  }
  let below = 0;
  let exact = 0;
  let maxLag = 0;
  for (const { isLeader, isr, minIsr, lag } of hosting.openPartitions()) {
    if (!isLeader) maxLag = Math.max(maxLag, lag);
    else if (isr.length < minIsr) below++;
    else if (isr.length === minIsr) exact++;
  }
  const count = (name: string, help: string, value: number) =>
    gauge([`kafka_server_replicamanager_${name}`, help], [{ value }]);
  return [
    count(
      "partitioncount",
      "Partitions that are open here.",
      openCount(hosting),
    ),
    count("leadercount", "Partitions that this broker leads.", leaders),
    count(
      "underreplicatedpartitions",
      "Led partitions with fewer in-sync replicas than replicas.",
      underReplicated,
    ),
    count(
      "underminisrpartitioncount",
      "Led partitions with fewer in-sync replicas than min.insync.replicas.",
      below,
    ),
    count(
      "atminisrpartitioncount",
      "Led partitions with just as many.",
      exact,
    ),
    gauge(
      [
        "kafka_server_replicafetchermanager_maxlag",
        "Committed records that the slowest partition followed here lacks.",
      ],
      [{ labels: { clientid: "Replica" }, value: maxLag }],
    ),
    count(
      "offlinereplicacount",
      "Partitions that the disk refuses or has failed.",
      hosting.offlineCount,
    ),
  ];
}

function clusterMetrics({ image }: Serving): Metric[] {
  let partitions = 0;
  let offline = 0;
  for (const topic of image.topics.values()) {
    partitions += topic.partitions.length;
    for (const { leader } of topic.partitions) if (leader === -1) offline++;
  }
  let fenced = 0;
  for (const { isFenced } of image.brokers.values()) if (isFenced) fenced++;
  const count = (name: string, help: string, value: number) =>
    gauge([`kafka_controller_kafkacontroller_${name}`, help], [{ value }]);
  return [
    count("activecontrollercount", "Whether the controller is here.", 1),
    count(
      "activebrokercount",
      "Brokers that may lead.",
      image.brokers.size - fenced,
    ),
    count("fencedbrokercount", "Brokers that may not lead.", fenced),
    count("globaltopiccount", "Topics of the cluster.", image.topics.size),
    count("globalpartitioncount", "Partitions of the cluster.", partitions),
    count("offlinepartitionscount", "Partitions without a leader.", offline),
  ];
}

function groupMetrics(groups: Groups): Metric[] {
  const { classic, consumer } = groups.countStates();
  const sum = (counts: ReadonlyMap<string, number>) =>
    [...counts.values()].reduce((all, each) => all + each, 0);
  const name = (rest: string) =>
    `kafka_coordinator_group_groupmetadatamanager_numgroups${rest}`;
  const newName = (rest: string) =>
    `kafka_server_group_coordinator_metrics_${rest}`;
  return [
    gauge(
      [newName("group_count"), "Groups that are coordinated here."],
      [
        { labels: { protocol: "classic" }, value: sum(classic) },
        { labels: { protocol: "consumer" }, value: sum(consumer) },
      ],
    ),
    gauge(
      [newName("consumer_group_count"), "Consumer groups by state."],
      CONSUMER_STATES.map((state) => ({
        labels: { state },
        value: consumer.get(state) ?? 0,
      })),
    ),
    gauge([name(""), "Classic groups."], [{ value: sum(classic) }]),
    ...GROUP_STATES.map(([state, text]) =>
      gauge(
        [name(text), `Of these, those in state ${state}.`],
        [{ value: classic.get(state) ?? 0 }],
      )
    ),
  ];
}

function transactionMetric(transactions: Transactions): Metric {
  const counts = transactions.countStates();
  return gauge(
    ["kf_transactional_ids", "Transactional ids by what they are doing."],
    TXN_STATES.map((state) => ({
      labels: { state },
      value: counts.get(state) ?? 0,
    })),
  );
}

function connectionMetrics(
  acceptors: ReadonlyMap<string, Acceptor>,
): Metric[] {
  const name = (rest: string) => `kafka_server_socket_server_metrics_${rest}`;
  const each = (value: (acceptor: Acceptor) => number) =>
    Array.from(acceptors, ([listener, acceptor]) => ({
      labels: { listener },
      value: value(acceptor),
    }));
  return [
    gauge(
      [name("connection_count"), "Connections that are open."],
      each(({ openCount }) => openCount),
    ),
    counter(
      [name("connection_creation_total"), "Connections that were accepted."],
      each(({ acceptedCount }) => acceptedCount),
    ),
  ];
}

function cleanerMetrics(cleaner: LogCleaner): Metric[] {
  const { last, ...status } = cleaner.status();
  const one = (name: string, help: string, value: number) =>
    gauge([`kafka_log_${name}`, help], [{ value }]);
  return [
    one(
      "logcleaner_cleaner_recopy_percent",
      "Bytes that the last compaction wrote, of those that it read.",
      last.recopyPercent,
    ),
    one(
      "logcleaner_max_buffer_utilization_percent",
      "Part of log.cleaner.dedupe.buffer.size that the last compaction used.",
      last.bufferUtilizationPercent,
    ),
    one(
      "logcleaner_max_clean_time_secs",
      "Seconds that the last compaction took.",
      last.seconds,
    ),
    one(
      "logcleaner_max_compaction_delay_secs",
      "Seconds by which a log passed max.compaction.lag.ms.",
      status.maxDelaySeconds,
    ),
    one(
      "logcleanermanager_max_dirty_percent",
      "Dirty part of the dirtiest compacted log.",
      status.maxDirtyPercent,
    ),
    one(
      "logcleanermanager_time_since_last_run_ms",
      "Milliseconds since logs to compact were looked for.",
      status.msSinceLastRun,
    ),
    one(
      "logcleanermanager_uncleanable_partitions_count",
      "Partitions whose compaction failed.",
      status.uncleanableCount,
    ),
    one(
      "logcleanermanager_uncleanable_bytes",
      "Bytes of these that should be compacted.",
      status.uncleanableBytes,
    ),
  ];
}

/** Above the limit one sum stands for all: series cost a scraper memory. */
function logMetrics(serving: Serving): Metric[] {
  const { hosting: { partitions } } = serving;
  const sizes: Sample[] = [];
  const starts: Sample[] = [];
  const ends: Sample[] = [];
  let bytes = 0;
  const isOwn = hasOwnSeries(serving);
  for (const { topic, index, partition: { log } } of partitions.all()) {
    const value = log.sizeInBytes;
    bytes += value;
    if (!isOwn) continue;
    const labels = { topic, partition: index };
    sizes.push({ labels, value });
    starts.push({ labels, value: log.logStartOffset });
    ends.push({ labels, value: log.logEndOffset });
  }
  return [
    gauge(["kf_log_size_bytes", "Bytes of all partitions here."], [
      { value: bytes },
    ]),
    gauge(
      [
        "kf_metrics_partitions_left_out",
        "Partitions without series of their own: they are too many.",
      ],
      [{ value: isOwn ? 0 : openCount(serving.hosting) }],
    ),
    gauge(["kafka_log_log_size", "Bytes of the partition."], sizes),
    gauge(
      ["kafka_log_log_logstartoffset", "First offset that can be read."],
      starts,
    ),
    gauge(
      ["kafka_log_log_logendoffset", "Offset of the next record."],
      ends,
    ),
  ];
}

function hasOwnSeries({ hosting, partitionsMax }: Serving): boolean {
  return openCount(hosting) <= partitionsMax;
}

function openCount({ partitions }: Hosting): number {
  let count = 0;
  for (const _ of partitions.all()) count++;
  return count;
}
