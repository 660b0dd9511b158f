/**
 * Members of a metadata quorum for tests: each with a data folder, a
 * controllers' listener and its links to the others; and some of them on a
 * network inside the process that can be cut. No broker runs on them. Asserts
 * nothing.
 *
 * @module
 */
import { newestSnapshot } from "../core/raft/snapshot_files.ts";
import { ReadBuffers } from "../core/bytes/read_buffers.ts";
import { Slab } from "../core/bytes/slab.ts";
import { METADATA_TOPIC_ID, type Uuid } from "../core/bytes/uuid.ts";
import {
  resolveBrokerConfig,
  resolveTopicConfig,
} from "../core/config/resolve.ts";
import { denoEnv } from "../core/env/deno_env.ts";
import type { Env } from "../core/env/env.ts";
import type { Log } from "../core/log/log.ts";
import { LogFolder } from "../core/log/log_folder.ts";
import { Link } from "../net/link/link.ts";
import type { QuorumMembership } from "../net/raft/quorum.ts";
import { Dispatch } from "../net/server/dispatch.ts";
import { quorumHandlers } from "../net/server/handler_table.ts";
import { apiVersionsHandler } from "../net/server/handlers/18_api_versions.ts";
import { Listeners } from "../net/server/listeners.ts";
import { MetadataLog } from "../net/server/metadata_log.ts";
import type { Services } from "../net/server/services.ts";
import { BrokerStats } from "../net/server/stats.ts";
import { Turn } from "../net/server/turn.ts";
import { ReceiveMemory } from "../net/tcp/framing.ts";
import { memoryTransport } from "../net/tcp/memory_tcp.ts";
import type { Address, Connection, Transport } from "../net/tcp/transport.ts";
import { until } from "./fixtures.ts";

/** Of every quorum of these tests: Apache Kafka is given the same one. */
const CLUSTER_ID = "AAAAAAAAAAAAAAAAAAAABA";
const FIRST_PORT = 1000;
const LISTENER = "CONTROLLER";
const HURRIED = {
  electionMs: 150,
  fetchMs: 500,
  backoffMaxMs: 100,
  requestMs: 600,
};

/** What one member is made of. */
export interface MemberOptions {
  readonly env: Env;
  readonly transport: Transport;
  /** Its data folder. */
  readonly path: string;
  readonly nodeId: number;
  /** Where it listens. */
  readonly address: Address;
  readonly voters: readonly (Address & { readonly id: number })[];
  readonly bootstrapServers?: readonly Address[];
  /** Whether it is the first voter of all. */
  readonly isFirst?: boolean;
  readonly isJoining?: boolean;
  readonly timeouts: QuorumMembership["timeouts"];
  /** Bytes of records after which a snapshot is taken. */
  readonly snapshotBytes: number;
  readonly onFailed: (error: unknown) => void;
}

/** A member that was opened. */
export interface OpenMember {
  readonly log: Log;
  readonly metadata: MetadataLog;
  readonly directoryId: Uuid;
  /** Takes part from now on. */
  start(): Promise<void>;
  /** Ends in order. */
  stop(): Promise<void>;
}

/** Opens a member; nobody hears of it before it is started. */
export function openMember(options: MemberOptions): OpenMember {
  const { env, path, nodeId } = options;
  const folder = LogFolder.open({ env, path, nodeId, clusterId: CLUSTER_ID });
  const config = resolveBrokerConfig(
    new Map([["log.dirs", path], ["node.id", String(nodeId)]]),
  );
  const own = `${folder.path}/__cluster_metadata-0`;
  const log = folder.openLog({
    topic: "__cluster_metadata",
    partition: 0,
    topicId: METADATA_TOPIC_ID,
    config: resolveTopicConfig(
      new Map([["cleanup.policy", "compact"]]),
      config,
    ),
    keptElsewhere: () => newestSnapshot(env.disk, own)?.id.endOffset ?? 0,
  });
  const metadata = new MetadataLog({
    env,
    log,
    folder: log.folder,
    nodeId,
    config: () => config,
    snapshots: { maxBytes: options.snapshotBytes, intervalMs: 0 },
    onFailed: options.onFailed,
    membership: membershipOf(options, folder.directoryId),
  });
  const listeners = serve(metadata, options);
  return {
    log,
    metadata,
    directoryId: folder.directoryId,
    async start() {
      await metadata.start();
      metadata.follow(() => {});
    },
    async stop() {
      await metadata.close();
      await listeners.stop("controllers", () => {});
      listeners.close();
      await folder.close({
        clean: true,
        brokerEpoch: -1,
        highWatermarks: new Map(),
      });
      await env.tasks.settled();
    },
  };
}

function membershipOf(
  options: MemberOptions,
  directoryId: Uuid,
): QuorumMembership {
  const { env, transport, timeouts, address } = options;
  return {
    clusterId: CLUSTER_ID,
    directoryId,
    listenerName: LISTENER,
    endpoints: [{ name: LISTENER, ...address }],
    voters: options.voters,
    isFirst: options.isFirst ?? false,
    isJoining: options.isJoining ?? false,
    bootstrapServers: options.bootstrapServers ?? [],
    timeouts,
    connect: (address) =>
      Link.open({
        env,
        transport,
        address,
        clientId: "test",
        isAdvertised: false,
        connectTimeoutMs: timeouts.requestMs,
        requestTimeoutMs: timeouts.requestMs,
      }),
  };
}

/** Binds the controllers' listener and answers the quorum's requests there. */
function serve(
  metadata: MetadataLog,
  { env, transport, address }: MemberOptions,
): Listeners {
  const listeners = new Listeners({
    env,
    transport,
    plans: [{
      name: LISTENER,
      bind: address,
      advertised: undefined,
      isController: true,
    }],
    limits: () => ({
      connectionsMax: 100,
      connectionsPerIpMax: 100,
      idleMs: 600_000,
    }),
    connection: {
      turn: new Turn(env),
      clock: env.clock,
      trace: env.trace,
      memory: new ReceiveMemory(new Slab(), { heapBytesMax: 1 << 24 }),
      readBuffers: new ReadBuffers(),
      frameBytesMax: 1 << 24,
    },
  });
  const services = { quorum: metadata.quorum, image: metadata.image };
  const dispatch: Dispatch = new Dispatch([
    apiVersionsHandler(services as Services, () => dispatch.served()),
    ...quorumHandlers(services),
  ], { ...env, stats: new BrokerStats() });
  listeners.open(
    "controllers",
    (listener) => dispatch.entrance({ listener, isOfBrokers: true }),
  );
  return listeners;
}

/** How members are made. */
export interface MembersOptions {
  readonly voters: number;
  readonly observers?: number;
  /** Whether observers are told one bootstrap server instead of who votes. */
  readonly isBootstrapped?: boolean;
  /** Whether node 1 votes first and others are added (kraft.version 1). */
  readonly isDynamic?: boolean;
  /** Whether the others ask for it themselves. */
  readonly isJoining?: boolean;
  readonly snapshotBytes?: number;
}

/** A quorum; node ids are 1, 2, … and the voters come first. */
export class Members implements AsyncDisposable {
  readonly all: readonly Member[];
  readonly transport = memoryTransport();
  /** Nodes that nobody reaches, and that reach nobody. */
  readonly cutOff = new Set<number>();
  readonly #folder = Deno.makeTempDirSync({ prefix: "kf-quorum-" });

  constructor(readonly options: MembersOptions) {
    const count = options.voters + (options.observers ?? 0);
    this.all = Array.from(
      { length: count },
      (_, index) => new Member(this, index + 1, this.#folder),
    );
  }

  /** All of them, started. */
  static async start(options: MembersOptions): Promise<Members> {
    const members = new Members(options);
    await Promise.all(members.all.map((member) => member.start()));
    return members;
  }

  /** The member that leads and may decide, once there is one among `of`. */
  leader(of: readonly Member[] = this.all): Promise<Member> {
    return until(
      "a leader",
      () => of.find(({ metadata }) => metadata?.quorum.isActive),
    );
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const member of this.all) await member.stop();
    Deno.removeSync(this.#folder, { recursive: true });
  }
}

/** One member, which may be stopped and started again. */
export class Member {
  readonly failures: unknown[] = [];
  /** How far its port is from the usual one, at its next start. */
  moved = 0;
  readonly #members: Members;
  readonly #path: string;
  readonly #env: Env = denoEnv({ traceLevel: "error" });
  readonly #connections = new Set<Connection>();
  #open: OpenMember | undefined;

  constructor(members: Members, readonly id: number, folder: string) {
    this.#members = members;
    this.#path = `${folder}/${id}`;
  }

  /** What it knows; undefined while it is stopped. */
  get metadata(): MetadataLog | undefined {
    return this.#open?.metadata;
  }

  /** What a request calls it that is about it as a voter. */
  get asked() {
    return {
      clusterId: CLUSTER_ID,
      id: this.id,
      directoryId: this.#open!.directoryId,
      endpoints: [{ name: LISTENER, ...addressOf(this.id + this.moved) }],
    };
  }

  /** Where its copy of the metadata log begins. */
  get logStartOffset(): number {
    return this.#open?.log.logStartOffset ?? -1;
  }

  async start(): Promise<void> {
    const { options } = this.#members;
    const { voters, isBootstrapped, isDynamic = false } = options;
    const isTold = !isDynamic && (this.id <= voters || !isBootstrapped);
    this.#open = openMember({
      env: this.#env,
      transport: this.#transport(),
      path: this.#path,
      nodeId: this.id,
      address: addressOf(this.id + this.moved),
      voters: Array.from(
        { length: isTold ? voters : 0 },
        (_, index) => ({ id: index + 1, ...addressOf(index + 1) }),
      ),
      isFirst: isDynamic && this.id === 1,
      isJoining: options.isJoining ?? false,
      bootstrapServers: isTold
        ? []
        : isDynamic
        ? this.#members.all.map(({ id }) => addressOf(id))
        : [addressOf(1)],
      timeouts: HURRIED,
      snapshotBytes: options.snapshotBytes ?? 1e9,
      onFailed: (error) => void this.failures.push(error),
    });
    await this.#open.start();
  }

  /** Its disk is replaced by an empty one; it is stopped. */
  format(): void {
    Deno.removeSync(this.#path, { recursive: true });
  }

  async stop(): Promise<void> {
    const open = this.#open;
    this.#open = undefined;
    await open?.stop();
  }

  /** From now on nobody reaches it, and it reaches nobody. */
  cutOff(): void {
    this.#members.cutOff.add(this.id);
    for (const { cutConnections } of this.#members.all) cutConnections();
  }

  /** The others reach it again. */
  rejoin(): void {
    this.#members.cutOff.delete(this.id);
  }

  /** Ends all connections that it dialled. */
  readonly cutConnections = (): void => {
    for (const connection of this.#connections) connection.close();
    this.#connections.clear();
  };

  #transport(): Transport {
    const { transport, cutOff } = this.#members;
    return {
      ...transport,
      dial: async (address, signal) => {
        if (cutOff.has(this.id) || cutOff.has(address.port - FIRST_PORT)) {
          throw new Error("the network is cut");
        }
        const connection = await transport.dial(address, signal);
        this.#connections.add(connection);
        return connection;
      },
    };
  }
}

function addressOf(id: number): Address {
  return { host: "node", port: FIRST_PORT + id };
}
