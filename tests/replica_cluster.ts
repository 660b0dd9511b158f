/**
 * Brokers that replicate over real sockets, from real folders, with the test as
 * their controller: it hands out metadata records, takes proposals of ISRs and
 * stops brokers. Owns no product code.
 *
 * @module
 */
import { assert } from "@std/assert";
import { ReadBuffers } from "../core/bytes/read_buffers.ts";
import { Slab } from "../core/bytes/slab.ts";
import {
  type BrokerConfig,
  resolveBrokerConfig,
} from "../core/config/resolve.ts";
import { denoEnv } from "../core/env/deno_env.ts";
import type { Env } from "../core/env/env.ts";
import { LogFolder } from "../core/log/log_folder.ts";
import { MetadataImage } from "../core/metadata/image.ts";
import {
  decodeMetadataRecord,
  encodeMetadataRecord,
  type MetadataRecord,
} from "../core/metadata/records.ts";
import { complete } from "../core/schema/complete.ts";
import { buildBatch } from "../core/record/builder.ts";
import { Link } from "../net/link/link.ts";
import { denoTransport } from "../net/tcp/deno_tcp.ts";
import { ReceiveMemory } from "../net/tcp/framing.ts";
import type { Listener } from "../net/tcp/transport.ts";
import { PRODUCE } from "../net/wire/00_produce.ts";
import { FETCH } from "../net/wire/01_fetch.ts";
import { DELETE_RECORDS } from "../net/wire/21_delete_records.ts";
import { ALTER_PARTITION } from "../net/wire/56_alter_partition.ts";
import { Acceptor } from "../net/server/acceptor.ts";
import type { OnFrame } from "../net/server/connection.ts";
import { Deadlines } from "../net/server/deadlines.ts";
import { Dispatch } from "../net/server/dispatch.ts";
import { FetchSessions } from "../net/server/fetch_sessions.ts";
import { produceHandler } from "../net/server/handlers/00_produce.ts";
import { fetchHandler } from "../net/server/handlers/01_fetch.ts";
import { listOffsetsHandler } from "../net/server/handlers/02_list_offsets.ts";
import { deleteRecordsHandler } from "../net/server/handlers/21_delete_records.ts";
import { apiVersionsHandler } from "../net/server/handlers/18_api_versions.ts";
import { Hosting } from "../net/server/hosting.ts";
import { Replication } from "../net/server/replication.ts";
import type { Services } from "../net/server/services.ts";
import { BrokerStats } from "../net/server/stats.ts";
import { Turn } from "../net/server/turn.ts";
import { Verification } from "../net/server/verification.ts";

/** The one topic, with one partition. */
export const TOPIC_ID = "Gmd94rMBRdCEC5P7ytJnvA";
const DIRECTORY = "AAAAAAAAAAAAAAAAAAAAAw";
const INCARNATION = "Gmd94rMBRdCEC5P7ytJnvg";

/** A topic of one partition, which the first of `replicas` leads. */
export function topicRecords(
  name: string,
  topicId: string,
  replicas: number[],
): MetadataRecord[] {
  return [
    { type: "Topic", value: { name, topicId } },
    {
      type: "Partition",
      value: {
        partitionId: 0,
        topicId,
        replicas,
        isr: replicas,
        removingReplicas: [],
        addingReplicas: [],
        leader: replicas[0]!,
        leaderEpoch: 0,
        partitionEpoch: 0,
        leaderRecoveryState: 0,
        directories: replicas.map(() => DIRECTORY),
        eligibleLeaderReplicas: null,
        lastKnownElr: null,
      },
    },
  ];
}

/** One broker without a controller. */
class ReplicaBroker {
  readonly id: number;
  readonly image = new MetadataImage();
  readonly hosting: Hosting;
  readonly replication: Replication;
  readonly port: number;
  readonly #env: Env = denoEnv({ traceLevel: "error" });
  readonly #folder: LogFolder;
  readonly #acceptor: Acceptor;
  readonly stats = new BrokerStats();
  readonly #deadlines: Deadlines;
  #isUp = true;

  constructor(
    cluster: ReplicaCluster,
    { id, path, config }: {
      readonly id: number;
      readonly path: string;
      readonly config: BrokerConfig;
    },
  ) {
    this.id = id;
    const env = this.#env;
    const { image } = this;
    const { stats } = this;
    const turn = new Turn(env);
    this.#folder = LogFolder.open({ env, path, nodeId: id });
    this.hosting = new Hosting({
      env,
      turn,
      nodeId: id,
      folder: this.#folder,
      image,
      config: () => config,
      traffic: stats.traffic,
      replicated: stats.replication,
    });
    this.replication = new Replication({
      env,
      nodeId: id,
      hosting: this.hosting,
      image,
      config: () => config,
      alterPartition: (request) => Promise.resolve(cluster.decide(request)),
      connect: (to) => this.link(cluster.portOf(to)),
    });
    this.hosting.onRolesChanged((each) => this.replication.rolesChanged(each));
    const readBuffers = new ReadBuffers();
    const deadlines = this.#deadlines = new Deadlines(env.clock);
    const services = {
      env,
      nodeId: id,
      config,
      image,
      quorum: { kraftVersion: 0 },
      partitions: this.hosting.partitions,
      sessions: new FetchSessions({ random: env.random, slots: 10 }),
      readBuffers,
      deadlines,
      stats,
      endpointOf: (to: number) => ({
        host: "127.0.0.1",
        port: cluster.portOf(to),
      }),
    } as unknown as Services;
    const dispatch: Dispatch = new Dispatch([
      produceHandler(services, new Verification(services)),
      fetchHandler(services),
      listOffsetsHandler(services),
      deleteRecordsHandler(services),
      apiVersionsHandler(services, () => dispatch.served()),
    ], { ...env, stats });
    const listener = denoTransport().listen({ host: "127.0.0.1", port: 0 });
    this.port = listener.address.port;
    const onFrame = dispatch.entrance({ listener: "B", isOfBrokers: true });
    this.#acceptor = acceptorOf({ env, listener, turn, readBuffers, onFrame });
    this.#acceptor.start();
    this.replication.start();
  }

  /** A connection to whoever listens at `port`. */
  link(port: number): Promise<Link> {
    return Link.open({
      env: this.#env,
      transport: denoTransport(),
      address: { host: "127.0.0.1", port },
      clientId: `broker-${this.id}`,
      isAdvertised: false,
      connectTimeoutMs: 2_000,
      requestTimeoutMs: 10_000,
    });
  }

  /** Learns what was decided. */
  learn(records: readonly MetadataRecord[]): void {
    for (const record of records) {
      this.image.apply(decodeMetadataRecord(encodeMetadataRecord(record)));
    }
    this.hosting.apply(this.image.takeDelta());
  }

  /** The one partition, as it is here. */
  get partition() {
    const hosted = this.hosting.partitions.get("t", 0);
    assert(hosted !== undefined, `broker ${this.id} hosts the partition`);
    return hosted.partition;
  }

  /** Values by offset. */
  values(): string {
    const { log } = this.partition;
    const bytes = log.read(log.logStartOffset, {
      maxBytes: 1e7,
      upperOffset: Infinity,
      minOneBatch: true,
    });
    return new TextDecoder("latin1").decode(bytes).match(/v\d+;/g)?.join("") ??
      "";
  }

  async stop(clean = false): Promise<void> {
    if (!this.#isUp) return;
    this.#isUp = false;
    this.replication.close();
    await this.#acceptor.stop(() => this.#deadlines.endAll());
    await this.#folder.close({
      clean,
      brokerEpoch: this.image.broker(this.id)?.epoch ?? -1,
      highWatermarks: this.hosting.highWatermarks(),
    });
  }
}

function acceptorOf(
  { env, listener, turn, readBuffers, onFrame }: {
    readonly env: Env;
    readonly listener: Listener;
    readonly turn: Turn;
    readonly readBuffers: ReadBuffers;
    readonly onFrame: OnFrame;
  },
): Acceptor {
  return new Acceptor({
    env,
    listener,
    limits: () => ({
      connectionsMax: 100,
      connectionsPerIpMax: 100,
      idleMs: 600_000,
    }),
    connection: {
      turn,
      clock: env.clock,
      trace: env.trace,
      memory: new ReceiveMemory(new Slab(), { heapBytesMax: 1 << 27 }),
      readBuffers,
      frameBytesMax: 1 << 26,
      onFrame,
    },
  });
}

type Alter = Parameters<
  ConstructorParameters<typeof Replication>[0]["alterPartition"]
>[0];

/** Three of them. */
export class ReplicaCluster implements AsyncDisposable {
  readonly #path = Deno.makeTempDirSync({ prefix: "kf-replicas-" });
  readonly #records: MetadataRecord[] = [];
  readonly #config: BrokerConfig;
  readonly brokers = new Map<number, ReplicaBroker>();
  /** As the controller has it. */
  readonly #image = new MetadataImage();
  #epoch = 100;
  /** Whether proposals are refused as by a controller that can't be reached. */
  isDeaf = false;
  /** Leader, its epoch and its port as the last refusal named them. */
  hint: number[] | undefined;

  constructor(properties: Record<string, string> = {}) {
    this.#config = resolveBrokerConfig(
      new Map(Object.entries({
        "replica.fetch.backoff.ms": "30",
        "replica.fetch.wait.max.ms": "200",
        ...properties,
      })),
    );
    this.decided([{
      type: "FeatureLevel",
      value: { name: "metadata.version", featureLevel: 27 },
    }]);
    for (const id of [1, 2, 3]) this.start(id);
  }

  portOf(id: number): number {
    return this.brokers.get(id)!.port;
  }

  /** Starts a broker, another time perhaps, and registers it. */
  start(id: number): ReplicaBroker {
    const broker = new ReplicaBroker(this, {
      id,
      path: `${this.#path}/${id}`,
      config: this.#config,
    });
    this.brokers.set(id, broker);
    this.decided([{
      type: "RegisterBroker",
      value: {
        brokerId: id,
        incarnationId: INCARNATION,
        brokerEpoch: this.#epoch++,
        endPoints: [{
          name: "PLAINTEXT",
          host: "127.0.0.1",
          port: broker.port,
          securityProtocol: 0,
        }],
        features: [],
        rack: `rack-${id}`,
        fenced: false,
        inControlledShutdown: false,
        logDirs: [DIRECTORY],
        cordonedLogDirs: null,
        isMigratingZkBroker: false,
      },
    }], { except: id });
    broker.learn(this.#records);
    return broker;
  }

  /** Creates the partition on all three, led by 1. */
  create(): void {
    this.decided(topicRecords("t", TOPIC_ID, [1, 2, 3]));
  }

  /** Records are committed: everybody but `except` learns them at once. */
  decided(
    records: readonly MetadataRecord[],
    { except }: { readonly except?: number } = {},
  ): void {
    this.#records.push(...records);
    for (const record of records) {
      this.#image.apply(decodeMetadataRecord(encodeMetadataRecord(record)));
    }
    for (const broker of this.brokers.values()) {
      if (broker.id !== except) broker.learn(records);
    }
  }

  /** Elects a leader or changes the ISR. */
  change(
    { leader, isr }: {
      readonly leader?: number;
      readonly isr?: readonly number[];
    },
    { except }: { readonly except?: number } = {},
  ): void {
    const value = {
      partitionId: 0,
      topicId: TOPIC_ID,
      ...(leader === undefined ? {} : { leader }),
      ...(isr === undefined ? {} : { isr }),
    };
    const record = { type: "PartitionChange", value } as MetadataRecord;
    this.decided([record], except === undefined ? {} : { except });
  }

  /** The controller's answer to AlterPartition. */
  decide(request: Alter) {
    if (this.isDeaf) throw new Error("The controller does not answer");
    const now = () => this.#image.topic("t")!.partitions[0]!;
    const { topics } = complete(ALTER_PARTITION.request, request);
    const asked = topics[0]!.partitions[0]!;
    const { leaderEpoch, partitionEpoch } = asked;
    const error = leaderEpoch < now().leaderEpoch
      ? 74
      : partitionEpoch < now().partitionEpoch
      ? 95
      : 0;
    if (error === 0) {
      this.change({
        isr: asked.newIsrWithEpochs.map((each) => each.brokerId),
      });
    }
    const { leader: leaderId, isr, ...rest } = now();
    return {
      throttleTimeMs: 0,
      errorCode: 0,
      topics: [{
        topicId: TOPIC_ID,
        partitions: [{
          partitionIndex: 0,
          errorCode: error,
          leaderId,
          isr: [...isr],
          leaderEpoch: rest.leaderEpoch,
          leaderRecoveryState: 0,
          partitionEpoch: rest.partitionEpoch,
        }],
      }],
    };
  }

  /** Produces `vN;` values to a broker; gives the error code. */
  async produce(
    to: number,
    value: string,
    { acks = -1, timeoutMs = 5_000 } = {},
  ): Promise<number> {
    const link = await this.brokers.get(to)!.link(this.portOf(to));
    try {
      const { responses: [topic], nodeEndpoints } = await link.request(
        PRODUCE,
        {
          transactionalId: null,
          acks,
          timeoutMs,
          topicData: [{
            topicId: TOPIC_ID,
            name: "t",
            partitionData: [{
              index: 0,
              records: buildBatch([{
                timestamp: 1,
                key: null,
                value: new TextEncoder().encode(value),
              }]),
            }],
          }],
        },
      );
      const { errorCode, currentLeader } = topic!.partitionResponses[0]!;
      const [endpoint] = nodeEndpoints;
      this.hint = endpoint && [
        currentLeader.leaderId,
        currentLeader.leaderEpoch,
        endpoint.port,
      ];
      return errorCode;
    } finally {
      link.close();
    }
  }

  /** Deletes records before `offset`; gives error code and low watermark. */
  async deleteBefore(offset: number, timeoutMs: number): Promise<number[]> {
    const link = await this.brokers.get(1)!.link(this.portOf(1));
    try {
      const { topics: [topic] } = await link.request(DELETE_RECORDS, {
        timeoutMs,
        topics: [{ name: "t", partitions: [{ partitionIndex: 0, offset }] }],
      });
      const { errorCode, lowWatermark } = topic!.partitions[0]!;
      return [errorCode, lowWatermark];
    } finally {
      link.close();
    }
  }

  /** What a consumer reads at a broker from the beginning. */
  async consume(at: number, rackId = "") {
    const link = await this.brokers.get(at)!.link(this.portOf(at));
    try {
      const answer = await link.request(FETCH, {
        maxWaitMs: 0,
        minBytes: 0,
        maxBytes: 1e7,
        isolationLevel: 0,
        sessionId: 0,
        sessionEpoch: -1,
        topics: [{
          topicId: TOPIC_ID,
          partitions: [{
            partition: 0,
            fetchOffset: 0,
            partitionMaxBytes: 1e7,
            logStartOffset: -1,
          }],
        }],
        forgottenTopicsData: [],
        rackId,
      });
      const { errorCode, records, preferredReadReplica } = answer.responses[0]!
        .partitions[0]!;
      const text = new TextDecoder("latin1").decode(records ?? undefined);
      return {
        error: errorCode,
        preferredReadReplica,
        values: text.match(/v\d+;/g)?.join("") ?? "",
      };
    } finally {
      link.close();
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const broker of this.brokers.values()) await broker.stop();
    Deno.removeSync(this.#path, { recursive: true });
  }
}
