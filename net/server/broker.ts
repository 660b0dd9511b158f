/**
 * One node, composed from Env and Transport: the command line and tests start
 * the same thing, a broker, a controller, or both in one. Owns the order of
 * starting and stopping; a start that fails gives back everything that it took.
 *
 * @module
 */
import { ReadBuffers } from "../../core/bytes/read_buffers.ts";
import { type Uuid, uuidFromRandom } from "../../core/bytes/uuid.ts";
import { Slab } from "../../core/bytes/slab.ts";
import {
  type BrokerConfig,
  withDynamicConfig,
} from "../../core/config/resolve.ts";
import type { Env, ProcessUsage } from "../../core/env/env.ts";
import { KafkaError, messageOf } from "../../core/errors.ts";
import { LIMITS } from "../../core/limits.ts";
import { replaceFile } from "../../core/log/checkpoint.ts";
import type { LogFolder } from "../../core/log/log_folder.ts";
import { withOpenFilesMax } from "../../core/log/open_files.ts";
import type { MetadataDelta } from "../../core/metadata/delta.ts";
import { usesCordoned } from "../../core/metadata/directories.ts";
import { supportedFeatures } from "../../core/metadata/features.ts";
import {
  type MetadataImage,
  RESOURCE_TYPE,
} from "../../core/metadata/image.ts";
import type { Metric } from "../http/exposition.ts";
import { brokerRoutes } from "../http/routes.ts";
import { HttpServer } from "../http/server.ts";
import { ReceiveMemory } from "../tcp/framing.ts";
import { Link } from "../link/link.ts";
import { BrokerLifecycle } from "../metadata/broker_lifecycle.ts";
import {
  ControllerChannel,
  type ControllerChannelOptions,
} from "../metadata/controller_channel.ts";
import { ControllerRegistrar } from "../metadata/controller_registrar.ts";
import { DirectoryAssigner } from "../metadata/directory_assigner.ts";
import { forward } from "../metadata/forwarding.ts";
import { createTopics } from "../metadata/topic_creation.ts";
import type { Address, Transport } from "../tcp/transport.ts";
import { TransactionPeers } from "../transaction/transaction_peers.ts";
import { ALTER_PARTITION } from "../wire/56_alter_partition.ts";
import { ASSIGN_REPLICAS_TO_DIRS } from "../wire/73_assign_replicas_to_dirs.ts";
import { Background, type Chore } from "./background.ts";
import { cleanerOf, metadataChores, partitionChores } from "./broker_chores.ts";
import { controllerChores } from "./controller_chores.ts";
import { Deadlines } from "./deadlines.ts";
import { Dispatch } from "./dispatch.ts";
import { FetchSessions } from "./fetch_sessions.ts";
import { Groups } from "./groups.ts";
import type { LocalEnd } from "./handler.ts";
import { clientHandlers, controllerHandlers } from "./handler_table.ts";
import { Hosting } from "./hosting.ts";
import { JOINED_FILE, type Joining, noteOf } from "./joined_note.ts";
import {
  advertisedAddress,
  checkReachable,
  controllerEndpoints,
  httpAddress,
  interBrokerName,
  type ListenerPlan,
  listenersOf,
  registeredEndpoints,
} from "./listener.ts";
import { Listeners } from "./listeners.ts";
import { membershipOf } from "./membership.ts";
import type { MetadataLog } from "./metadata_log.ts";
import { metricsOf, type Serving } from "./metrics.ts";
import {
  checkOneCluster,
  isFolderCordoned,
  openFolder,
  openMetadata,
} from "./node_folder.ts";
import { ProducerIds } from "./producer_ids.ts";
import { Replication } from "./replication.ts";
import { type Roles, rolesOf } from "./roles.ts";
import type { Services } from "./services.ts";
import { BrokerStats } from "./stats.ts";
import { Transactions } from "./transactions.ts";
import { Turn } from "./turn.ts";

/** What a broker is made of. */
export interface BrokerOptions {
  readonly env: Env;
  readonly transport: Transport;
  /** The config from file and command line. */
  readonly config: BrokerConfig;
  /** Told once when the broker can't go on: its disk failed. */
  readonly onFatal?: (error: unknown) => void;
  /** Ends a start that waits for others; it rejects then. */
  readonly signal?: AbortSignal | undefined;
  /** What it learned of a cluster that it joins: kept for the next start. */
  readonly joining?: Joining | undefined;
  /** What the process uses, for metrics. */
  readonly processUsage?: () => ProcessUsage;
  /** Files and sockets that the process may have open. */
  readonly openFilesMax?: number | undefined;
  /** Told what it is made of, before anything of it runs; to watch it. */
  readonly onComposed?: (inside: Inside) => void;
}

/** What can be watched inside a broker. */
export interface Inside {
  readonly folder: LogFolder;
  readonly metadata: MetadataLog;
  readonly hosting: Hosting;
  readonly groups: Groups;
}

/** What is written when the data folder is given back. */
interface LastState {
  readonly clean: boolean;
  readonly brokerEpoch: number;
  readonly highWatermarks: ReadonlyMap<string, number>;
}

/** How long one attempt to reach a peer may take. */
const CONNECT_TIMEOUT_MS = 2_000;
/** How long a peer may take to answer. */
const REQUEST_TIMEOUT_MS = 30_000;

/** What a node holds open. */
interface Parts {
  readonly roles: Roles;
  readonly listeners: Listeners;
  readonly folder: LogFolder;
  readonly metadata: MetadataLog;
  readonly hosting: Hosting;
}

/** What a node serves requests with. */
interface Composed {
  readonly channel: ControllerChannel;
  readonly lifecycle: BrokerLifecycle;
  readonly services: Services;
  /** Of controllers' listeners, and of this process itself. */
  readonly controllers: Dispatch;
  readonly clients: Dispatch;
}

/** Undoes what a start did, last first. */
type Undo = () => void | Promise<void>;

/**
 * A running node.
 *
 * Invariants:
 * 1. It accepts connections only while every log of it is open.
 * 2. After `stop()`, or a failed `start()`, nothing of it is left open.
 */
export class Broker {
  readonly #options: BrokerOptions;
  readonly #undo: Undo[] = [];
  readonly #stats = new BrokerStats();
  readonly #readBuffers = new ReadBuffers();
  /** What the process has room for. */
  readonly #connectionsMax: number;
  #config: BrokerConfig;
  #stopping: Promise<void> | undefined;
  #address: Address = { host: "", port: 0 };
  #httpAddress: Address | undefined;
  #notReady: string | undefined = "the broker starts";
  #serving: (() => Serving) | undefined;
  #clusterId = "";
  #failure: Error | undefined;
  /** Whether nobody is left to take over when it stops. */
  #isLast = false;
  readonly #incarnationId: Uuid;
  /** On a controller that others reach. */
  #registrar: ControllerRegistrar | undefined;
  #replication: Replication | undefined;
  /** Ends what waits for the controller. */
  #abort: (() => void) | undefined;
  /** What the folder is closed with; a broken start is never a clean stop. */
  #lastState: () => LastState = () => ({
    clean: false,
    brokerEpoch: -1,
    highWatermarks: new Map(),
  });

  private constructor(options: BrokerOptions) {
    const { env, openFilesMax = LIMITS.openFilesMax } = options;
    const { files, connections } = shareOpenFiles(openFilesMax);
    this.#connectionsMax = connections;
    const disk = withOpenFilesMax(env.disk, files);
    this.#options = { ...options, env: { ...env, disk } };
    this.#config = options.config;
    this.#incarnationId = options.joining?.identity?.incarnationId ??
      uuidFromRandom(env.random);
  }

  /** Starts a broker; rejects with one sentence for people. */
  static async start(options: BrokerOptions): Promise<Broker> {
    const broker = new Broker(options);
    const abort = () => broker.#abort?.();
    options.signal?.addEventListener("abort", abort);
    try {
      await broker.#start();
    } catch (error) {
      await broker.#release();
      // A start that waits for the controller is ended by what failed.
      throw broker.#failure ?? error;
    } finally {
      options.signal?.removeEventListener("abort", abort);
    }
    return broker;
  }

  /** Where clients reach it, or a controller's peers, with the real port. */
  get address(): Address {
    return this.#address;
  }

  /** Where HTTP is served, with the real port; undefined when it isn't. */
  get httpAddress(): Address | undefined {
    return this.#httpAddress;
  }

  /** Why clients can't be served; undefined while they can. */
  notReady(): string | undefined {
    if (this.#stopping !== undefined) return "the broker stops";
    return this.#failure ? "its metadata log failed" : this.#notReady;
  }

  /** All that it measures, now. */
  metrics(): Metric[] {
    const isReady = this.notReady() === undefined;
    return metricsOf({
      stats: this.#stats,
      state: this.#stopping !== undefined ? 7 : isReady ? 3 : 1,
      usage: this.#options.processUsage?.(),
      serving: this.#serving?.(),
    });
  }

  get clusterId(): Uuid {
    return this.#clusterId;
  }

  get nodeId(): number {
    return this.#config["node.id"];
  }

  /**
   * Hands over to others, unless all stop, answers what was asked, makes all
   * durable. Idempotent.
   */
  stop({ isLast = false }: { readonly isLast?: boolean } = {}): Promise<void> {
    this.#isLast = isLast;
    return this.#stopping ??= this.#release();
  }

  async #release(): Promise<void> {
    const errors: unknown[] = [];
    for (const undo of this.#undo.splice(0).reverse()) {
      try {
        await undo();
      } catch (error) {
        errors.push(error);
      }
    }
    if (errors.length > 0) throw errors[0];
  }

  async #start(): Promise<void> {
    const { env } = this.#options;
    const plans = listenersOf(this.#config);
    const roles = rolesOf(this.#config);
    if (!roles.isAlone) checkReachable(plans);
    this.#serveHttp();
    const turn = new Turn(env);
    const listeners = this.#bind(plans, turn);
    const folder = this.#openFolder();
    const metadata = this.#openMetadata(folder);
    // Elsewhere the others know what belongs to the cluster.
    if (roles.isAlone) {
      checkOneCluster(folder, { image: metadata.image, nodeId: this.nodeId });
    }
    const hosting = new Hosting({
      env,
      turn,
      nodeId: this.nodeId,
      folder,
      image: metadata.image,
      config: () => this.#config,
      traffic: this.#stats.traffic,
      replicated: this.#stats.replication,
    });
    const parts = { roles, listeners, folder, metadata, hosting };
    const composed = this.#compose(parts);
    this.#options.onComposed?.({ ...parts, groups: composed.services.groups });
    if (roles.isController) this.#serveController(parts, composed);
    await this.#startMetadata(parts);
    if (roles.isController) this.#decide(parts, composed);
    if (roles.isBroker) await this.#startBroker(parts, composed);
    else await this.#startNoBroker(parts);
    this.#notReady = undefined;
  }

  /** What serves requests, and what it reaches the controller through. */
  #compose(parts: Parts): Composed {
    const { env } = this.#options;
    const { metadata } = parts;
    const askHere: ControllerChannelOptions["askHere"] = (api, body) =>
      controllers.ask(api, body);
    const channel = new ControllerChannel({
      env,
      controller: () => {
        const { quorum } = metadata;
        return quorum.isActive ? "here" : quorum.leaderAddress();
      },
      askHere,
      connect: (address) => this.#dial(address),
    });
    metadata.onControllerMoved(() => channel.moved());
    this.#undo.push(() => channel.close());
    const lifecycle = this.#lifecycle(parts, channel);
    this.#abort = () => {
      lifecycle.end();
      this.#registrar?.end();
      channel.close();
    };
    const services = this.#services(parts, { channel, lifecycle });
    const clients: Dispatch = new Dispatch(
      clientHandlers(services, () => clients.served()),
      {
        ...env,
        stats: this.#stats,
        forwarding: {
          isHere: () => channel.isHere,
          forward: (frame, { host }) => forward(channel, { frame, host }),
        },
      },
    );
    const controllers: Dispatch = new Dispatch(
      controllerHandlers(services, () => controllers.served(), {
        isActive: () => channel.isHere,
        unwrap: (frame, client) => controllers.unwrap(frame, client),
      }),
      { ...env, stats: this.#stats },
    );
    return { channel, lifecycle, services, controllers, clients };
  }

  /** A link to where another broker is now, as brokers know it. */
  async #connect(id: number, image: MetadataImage): Promise<Link> {
    const name = interBrokerName(this.#config);
    const endpoint = image.broker(id)?.endPoints
      .find((each) => each.name === name);
    if (endpoint !== undefined) return await this.#dial(endpoint);
    throw new KafkaError(
      "BROKER_NOT_AVAILABLE",
      `Cannot reach broker ${id}: it has no listener ${name}`,
    );
  }

  /** A link to another node. */
  #dial(address: Address): Promise<Link> {
    const { env, transport } = this.#options;
    return Link.open({
      env,
      transport,
      address,
      clientId: `broker-${this.nodeId}`,
      isAdvertised: false,
      connectTimeoutMs: CONNECT_TIMEOUT_MS,
      requestTimeoutMs: REQUEST_TIMEOUT_MS,
    });
  }

  /** The others of the quorum are answered from now on. */
  #serveController(
    { listeners }: Parts,
    { controllers }: Composed,
  ): void {
    listeners.open(
      "controllers",
      (listener) => controllers.entrance({ listener, isOfBrokers: true }),
    );
    this.#undo.push(() => listeners.stop("controllers", () => {}));
  }

  /** The quorum first: a broker needs somebody to register with. */
  async #startMetadata({ metadata }: Parts): Promise<void> {
    await metadata.start();
    this.#undo.push(() => metadata.close());
    this.#inBackground(metadataChores(metadata));
  }

  /** The active controller has more to do than to answer. */
  #decide(parts: Parts, { channel, services }: Composed): void {
    const isActive = () => channel.isHere;
    const { env } = this.#options;
    this.#inBackground(controllerChores(services, { ...env, isActive }));
    const { listeners, metadata: { image }, roles: { voters } } = parts;
    const listens = controllerEndpoints(
      listeners.bound,
      voters.find(({ id }) => id === this.nodeId),
    );
    // Whom nobody reaches needn't be known.
    if (listens.length === 0) return;
    const registrar = new ControllerRegistrar({
      env,
      channel,
      image,
      registration: {
        controllerId: this.nodeId,
        incarnationId: this.#incarnationId,
        zkMigrationReady: false,
        listeners: listens,
        features: supportedFeatures(),
      },
    });
    this.#registrar = registrar;
    this.#undo.push(() => registrar.end());
  }

  #inBackground(chores: readonly Chore[]): void {
    const background = new Background(this.#options.env, chores);
    background.start();
    this.#undo.push(() => background.stop());
  }

  /** A node that hosts nothing goes by the cluster's config all the same. */
  async #startNoBroker({ metadata, hosting }: Parts): Promise<void> {
    this.#notReady = "the controller registers with the active one";
    this.#reconfigure(metadata);
    this.#lastState = () => ({
      clean: this.#failure === undefined,
      brokerEpoch: -1,
      highWatermarks: hosting.highWatermarks(),
    });
    metadata.follow((delta) => this.#onDelta(delta, metadata));
    await this.#registrar?.start();
  }

  async #startBroker(parts: Parts, composed: Composed): Promise<void> {
    const { listeners, folder, metadata, hosting } = parts;
    const { lifecycle, services, clients } = composed;
    const { groups, transactions } = services;
    this.#notReady = "the broker registers with the controller";
    this.#undo.push(() => lifecycle.end());
    await lifecycle.start();
    this.#reconfigure(metadata);
    folder.topicsDeleted(metadata.deletedTopics());
    const directories = this.#assignDirectories(parts, composed);
    metadata.follow((delta) => {
      this.#onChange(delta, parts);
      services.txnPeers.brokersChanged(delta.brokers);
      directories.changed(delta);
    });
    this.#registrar?.start();
    this.#undo.push(() => hosting.stop());
    await hosting.hostAll((progress) => this.#notReady = progress);
    this.#replicate(parts, composed);
    await lifecycle.serve();
    this.#undo.push(() => groups.close());
    this.#undo.push(() => transactions.close());
    const config = () => this.#config;
    const cleaner = cleanerOf(this.#options.env, { config, folder, hosting });
    this.#undo.push(() => cleaner.stop());
    hosting.onTopicsRemoved((topics) => {
      groups.topicsDeleted(topics);
      transactions.topicsDeleted(topics);
    });
    groups.start();
    transactions.start();
    this.#inBackground(
      partitionChores(services, { folder, hosting, cleaner }),
    );
    this.#accept(listeners, { clients, services });
    this.#undo.push(() => this.#leave(parts, lifecycle));
    this.#serving = () => ({
      nodeId: this.nodeId,
      image: metadata.image,
      hosting,
      groups,
      transactions,
      acceptors: listeners.acceptors,
      cleaner,
      partitionsMax: this.#config["kf.metrics.partitions.max"],
    });
    this.#lastState = () => ({
      clean: this.#failure === undefined,
      brokerEpoch: lifecycle.brokerEpoch,
      highWatermarks: hosting.highWatermarks(),
    });
  }

  #assignDirectories(
    { folder: { directoryId }, metadata: { image }, hosting }: Parts,
    { channel, lifecycle }: Composed,
  ): DirectoryAssigner {
    const directories = new DirectoryAssigner({
      env: this.#options.env,
      nodeId: this.nodeId,
      directoryId,
      image,
      brokerEpoch: () => lifecycle.brokerEpoch,
      isRefused: (place) => hosting.isRefused(place),
      request: (body) => channel.request(ASSIGN_REPLICAS_TO_DIRS, body),
    });
    this.#undo.push(() => directories.close());
    directories.start();
    return directories;
  }

  /** Takes all ports at once. */
  #bind(plans: readonly ListenerPlan[], turn: Turn): Listeners {
    const { env, transport } = this.#options;
    const memory = new ReceiveMemory(new Slab(), {
      heapBytesMax: LIMITS.frameBytesMax * 2,
    });
    const listeners = new Listeners({
      env,
      transport,
      plans,
      limits: () => ({
        connectionsMax: Math.min(
          this.#config["max.connections"],
          this.#connectionsMax,
        ),
        connectionsPerIpMax: this.#config["max.connections.per.ip"],
        idleMs: this.#config["connections.max.idle.ms"],
      }),
      connection: {
        turn,
        clock: env.clock,
        trace: env.trace,
        memory,
        readBuffers: this.#readBuffers,
        frameBytesMax: this.#config["socket.request.max.bytes"],
      },
    });
    this.#undo.push(() => listeners.close());
    const [first, ...others] = listeners.bound;
    const ofClients = [first!, ...others]
      .find(({ isController }) => !isController);
    this.#address = (ofClients ?? first!).address;
    return listeners;
  }

  /** First of all, so that a start that takes long can be watched. */
  #serveHttp(): void {
    const { env, transport } = this.#options;
    const address = httpAddress(this.#config);
    if (address === undefined) return;
    const listener = transport.listen(address);
    const http = new HttpServer({ env, listener, routes: brokerRoutes(this) });
    const unwatch = this.#stats.watch(env.clock);
    this.#undo.push(() => {
      unwatch();
      http.close();
    });
    http.start();
    this.#httpAddress = listener.address;
  }

  #openFolder(): LogFolder {
    const { env, joining } = this.#options;
    const folder = openFolder({
      env,
      config: this.#config,
      directoryId: joining?.identity?.directoryId,
      onSynced: (ms) => this.#stats.logFlush.record(ms),
    });
    this.#undo.push(() => folder.close(this.#lastState()));
    if (joining !== undefined) {
      const content = noteOf(joining.learned);
      const { path } = folder;
      replaceFile(env.disk, { folder: path, name: JOINED_FILE, content });
    }
    this.#clusterId = folder.clusterId;
    return folder;
  }

  #openMetadata(folder: LogFolder): MetadataLog {
    const { config, env, transport } = this.#options;
    return openMetadata({
      env,
      config,
      folder,
      membership: membershipOf({ config, env, folder, transport }),
      currentConfig: () => this.#config,
      onFailed: (error) => this.#fail(error),
    });
  }

  /** This incarnation; it stays fenced until its logs are open. */
  #lifecycle(
    { listeners, metadata, folder }: Parts,
    channel: ControllerChannel,
  ): BrokerLifecycle {
    const { env } = this.#options;
    return new BrokerLifecycle({
      env,
      channel,
      brokerId: this.nodeId,
      registration: {
        brokerId: this.nodeId,
        clusterId: this.clusterId,
        incarnationId: this.#incarnationId,
        listeners: registeredEndpoints(listeners.bound),
        features: supportedFeatures(),
        rack: this.#config["broker.rack"],
        logDirs: [folder.directoryId],
        previousBrokerEpoch: folder.previousBrokerEpoch,
      },
      heartbeatMs: () => this.#config["broker.heartbeat.interval.ms"],
      metadataOffset: () => metadata.appliedOffset - 1,
      cordonedLogDirs: () =>
        !usesCordoned(metadata.image)
          ? null
          : isFolderCordoned(this.#config)
          ? [folder.directoryId]
          : [],
      // Clients are told of what they reach.
      isServing: () => metadata.image.broker(this.nodeId)?.isFenced === false,
    });
  }

  /** Others take over first, where there are others; and they hear of it. */
  async #leave(
    { metadata: { image }, roles }: Parts,
    lifecycle: BrokerLifecycle,
  ): Promise<void> {
    const isNoted = !roles.isController || [...image.brokers.values()]
      .some(({ id, isFenced }) => id !== this.nodeId && !isFenced);
    if (!isNoted || this.#isLast || this.#failure) return;
    await lifecycle.leave();
  }

  #onChange(delta: MetadataDelta, { metadata, hosting }: Parts): void {
    this.#onDelta(delta, metadata);
    hosting.apply(delta);
    this.#replication?.brokersChanged(delta.brokers);
  }

  #onDelta(delta: MetadataDelta, metadata: MetadataLog): void {
    const isOurs = [...delta.configs.values()]
      .some(({ type }) => type === RESOURCE_TYPE.BROKER);
    if (isOurs) this.#reconfigure(metadata);
    this.#registrar?.changed(delta);
  }

  /** Follows what others lead, and loads what coordinates where it is led. */
  #replicate(
    { hosting, metadata: { image } }: Parts,
    { channel, services: { groups, transactions } }: Composed,
  ): void {
    const replication = new Replication({
      env: this.#options.env,
      nodeId: this.nodeId,
      hosting,
      image,
      config: () => this.#config,
      alterPartition: (request) => channel.request(ALTER_PARTITION, request),
      connect: (id) => this.#connect(id, image),
    });
    this.#replication = replication;
    this.#undo.push(() => replication.close());
    hosting.onRolesChanged((changed) => {
      replication.rolesChanged(changed);
      const topics = new Set(changed.map(({ topic }) => topic));
      groups.ledHere(topics);
      transactions.ledHere(topics);
    });
    replication.start();
  }

  /** Puts the dynamic broker configs over the static ones. */
  #reconfigure({ image }: MetadataLog): void {
    this.#config = withDynamicConfig(this.#options.config, {
      default: image.configs(RESOURCE_TYPE.BROKER, ""),
      broker: image.configs(RESOURCE_TYPE.BROKER, String(this.nodeId)),
    });
  }

  #services(
    { listeners, metadata, hosting }: Parts,
    { channel, lifecycle }: Pick<Composed, "channel" | "lifecycle">,
  ): Services {
    const { env } = this.#options;
    const { nodeId, clusterId } = this;
    const deadlines = new Deadlines(env.clock);
    this.#undo.push(() => deadlines.endAll());
    const currentConfig = () => this.#config;
    const services: Services = {
      env,
      nodeId,
      clusterId,
      get config() {
        return currentConfig();
      },
      image: metadata.image,
      get metadataOffset() {
        return metadata.appliedOffset;
      },
      quorum: metadata.quorum,
      partitions: hosting.partitions,
      sessions: new FetchSessions({
        random: env.random,
        slots: this.#config["max.incremental.fetch.session.cache.slots"],
      }),
      readBuffers: this.#readBuffers,
      deadlines,
      stats: this.#stats,
      producerIds: new ProducerIds(() => lifecycle.allocateProducerIds()),
      txnPeers: new TransactionPeers({
        connect: (id) => this.#connect(id, metadata.image),
        epochOf: (id) => {
          const broker = metadata.image.broker(id);
          return broker?.isFenced === false ? broker.epoch : undefined;
        },
      }),
      get groups() {
        return groups;
      },
      get transactions() {
        return transactions;
      },
      control: (input) => metadata.control(input),
      createTopics: (topics) => createTopics(channel, topics),
      endpointOf: (id, local) =>
        this.#endpointOf(id, local, { listeners, metadata }),
    };
    const groups = new Groups(services);
    const transactions = new Transactions(services);
    this.#undo.push(() => services.txnPeers.close());
    return services;
  }

  /** Where clients of a listener reach a broker by the listener's own name. */
  #endpointOf(
    id: number,
    { listener: name, host, port }: LocalEnd,
    { listeners, metadata }: Pick<Parts, "listeners" | "metadata">,
  ): Address | undefined {
    if (id === this.nodeId) {
      const own = listeners.bound.find((bound) => bound.name === name);
      return own && advertisedAddress(own) || { host, port };
    }
    const endpoint = metadata.image.broker(id)?.endPoints
      .find((endpoint) => endpoint.name === name);
    return endpoint && { host: endpoint.host, port: endpoint.port };
  }

  #accept(
    listeners: Listeners,
    { clients, services }: Pick<Composed, "clients" | "services">,
  ): void {
    listeners.open(
      "clients",
      (listener) => clients.entrance({ listener, isOfBrokers: false }),
    );
    this.#undo.push(() =>
      listeners.stop("clients", () => {
        services.groups.close();
        services.transactions.close();
        services.deadlines.endAll();
      })
    );
  }

  #fail(cause: unknown): void {
    if (this.#failure !== undefined) return;
    const why = messageOf(cause);
    this.#failure = new Error(
      `Cannot go on as node ${this.nodeId}: its metadata log failed: ${why}`,
      { cause },
    );
    // Nobody here gets to a controller any more: who waits need not.
    this.#abort?.();
    this.#options.onFatal?.(this.#failure);
  }
}

/**
 * Half of what may be open is for files, which give way to each other, and the
 * rest for connections, which can't: a flood of them must not close the disk.
 */
function shareOpenFiles(openFilesMax: number) {
  const files = Math.max(16, openFilesMax >> 1);
  const left = openFilesMax - files - LIMITS.openFilesReserved;
  return { files, connections: Math.max(8, left) };
}
