/**
 * The group coordinators of this broker: one per hosted partition of
 * `__consumer_offsets`, loaded when first needed. Owns the binding of machine,
 * log, timers and parked requests; it must never decide about a group.
 *
 * @module
 */
import { type GROUP_KEYS, groupValue } from "../../core/config/group_keys.ts";
import { CoordinatorHost } from "../../core/coordinator/host.ts";
import type { Cancel } from "../../core/env/env.ts";
import { KafkaError } from "../../core/errors.ts";
import type {
  GroupChange,
  GroupConfig,
  GroupEffect,
  GroupInput,
  GroupReplies,
  GroupReply,
  GroupRequest,
  JoinReply,
  SyncReply,
} from "../../core/group/inputs.ts";
import {
  changesIn,
  type GroupCounts,
  GroupMachine,
  storedOf,
} from "../../core/group/machine.ts";
import type { Group } from "../../core/group/group.ts";
import type { GroupTopics } from "../../core/group/topics.ts";
import { RESOURCE_TYPE } from "../../core/metadata/image.ts";
import type { TxnMarker } from "../../core/record/control.ts";
import {
  batchesIn,
  coordinatorLog,
  CoordinatorTopic,
  errorNameOf,
  OFFSETS_TOPIC,
} from "./coordinator_topic.ts";
import { type Coordinator, Coordinators } from "./coordinators.ts";
import type { HostedPartition } from "./hosted_partition.ts";
import type { Services } from "./services.ts";

/** `setTimeout` counts in 32 bits. */
const TIMER_MS_MAX = 2 ** 31 - 1;

type Needs = Pick<
  Services,
  | "env"
  | "config"
  | "image"
  | "metadataOffset"
  | "partitions"
  | "createTopics"
>;
type Host = CoordinatorHost<GroupInput, GroupChange, GroupReply, GroupEffect>;
type Parked = (reply: JoinReply | SyncReply | KafkaError) => void;

/**
 * One coordinator: machine, log, timers, parked requests.
 *
 * Invariants:
 * 1. A parked request is answered once: by an effect, or when the state is
 *    discarded.
 * 2. A group has at most one timer.
 */
class GroupCoordinator implements Coordinator {
  readonly #services: Needs;
  readonly #hosted: HostedPartition;
  readonly #host: Host;
  readonly #timers = new Map<string, Cancel>();
  readonly #parked = new Map<number, Parked>();
  #machine: GroupMachine | undefined;
  #nextToken = 1;

  constructor(services: Needs, hosted: HostedPartition) {
    this.#services = services;
    this.#hosted = hosted;
    this.#host = new CoordinatorHost({
      log: coordinatorLog(hosted, services),
      clock: services.env.clock,
      create: () =>
        this.#machine = new GroupMachine(
          groupConfigOf(services),
          topicsOf(services),
        ),
      encode: storedOf,
      onEffect: (effect) => this.#carryOut(effect),
      onDiscarded: () => this.#discard(),
    });
    hosted.onCommitted((highWatermark) => this.#host.committed(highWatermark));
    hosted.onFailed((error) => this.fail(error));
  }

  get hosted(): HostedPartition {
    return this.#hosted;
  }

  /** A classic group as it is now, for tests. */
  classic(groupId: string): Group | undefined {
    return this.#machine?.group(groupId);
  }

  /** Adds its groups by state to `counts`. */
  countStates(counts: GroupCounts): void {
    this.#machine?.countStates(counts);
  }

  /** Replays the log unless that is done. */
  load(): void {
    if (this.#host.isLoaded) return;
    this.#host.load(changesOf(this.#hosted));
    this.tell({ type: "Loaded" });
  }

  /** Decides a request that is answered at once. */
  ask<R extends GroupRequest>(request: R): Promise<GroupReplies[R["type"]]> {
    const monoMs = this.#services.env.clock.monoMs();
    return this.#host.submit({ request, monoMs }) as Promise<
      GroupReplies[R["type"]]
    >;
  }

  /** Decides a request whose answer may come much later. */
  async askParked<R extends JoinReply | SyncReply>(
    requestOf: (token: number) => GroupRequest,
  ): Promise<R> {
    const token = this.#nextToken++;
    const later = Promise.withResolvers<JoinReply | SyncReply | KafkaError>();
    this.#parked.set(token, later.resolve);
    try {
      const reply = await this.ask(requestOf(token)) ?? await later.promise;
      if (reply instanceof KafkaError) throw reply;
      return reply as R;
    } finally {
      this.#parked.delete(token);
    }
  }

  /** Decides what nobody waits for; failures are traced. */
  tell(request: GroupRequest): void {
    this.ask(request).catch((error) => {
      if (errorNameOf(error) === "COORDINATOR_LOAD_IN_PROGRESS") return;
      this.#services.env.trace("warn", "A group coordinator failed", {
        partition: this.#hosted.index,
        error,
      });
    });
  }

  fail(error: unknown): void {
    this.#host.fail(error);
  }

  #carryOut(effect: GroupEffect): void {
    if (effect.type === "Reply") {
      this.#parked.get(effect.token)?.(effect.reply);
      return;
    }
    const { groupId, atMs } = effect;
    this.#timers.get(groupId)?.();
    const { clock } = this.#services.env;
    const delayMs = Math.min(
      TIMER_MS_MAX,
      Math.max(0, Math.ceil(atMs - clock.monoMs())),
    );
    this.#timers.set(
      groupId,
      clock.timer(delayMs, () => {
        this.#timers.delete(groupId);
        this.tell({ type: "Timer", groupId });
      }),
    );
  }

  #discard(): void {
    this.#machine = undefined;
    for (const cancel of this.#timers.values()) cancel();
    this.#timers.clear();
    const error = new KafkaError(
      "NOT_COORDINATOR",
      "Cannot answer: the group's coordinator lost its state",
    );
    for (const answer of this.#parked.values()) answer(error);
    this.#parked.clear();
  }
}

/** All group coordinators of one broker. */
export class Groups {
  readonly #services: Needs;
  readonly #topic: CoordinatorTopic;
  readonly #coordinators: Coordinators<GroupCoordinator>;
  #cancelExpiry: Cancel | undefined;

  constructor(services: Needs) {
    this.#services = services;
    this.#topic = new CoordinatorTopic(services, OFFSETS_TOPIC);
    this.#coordinators = new Coordinators(
      services,
      this.#topic,
      (hosted) => new GroupCoordinator(services, hosted),
    );
  }

  /** Loads what is hosted, and looks for expired offsets from now on. */
  start(): void {
    this.#coordinators.all();
    this.#scheduleExpiry();
  }

  /** Forgets everything; parked requests are refused. */
  close(): void {
    this.#cancelExpiry?.();
    this.#coordinators.close();
  }

  /** Decides a request of the group's coordinator. */
  ask<R extends GroupRequest & { readonly groupId: string }>(
    request: R,
  ): Promise<GroupReplies[R["type"]]> {
    return this.#coordinators.attempt(() =>
      this.#coordinators.of(request.groupId).ask(request)
    );
  }

  /** The same for JoinGroup and SyncGroup, whose answers may be parked. */
  askParked<R extends JoinReply | SyncReply>(
    groupId: string,
    requestOf: (token: number) => GroupRequest,
  ): Promise<R> {
    return this.#coordinators.attempt(() =>
      this.#coordinators.of(groupId).askParked<R>(requestOf)
    );
  }

  /** The groups of all coordinators here. */
  async list(
    states: readonly string[],
    types: readonly string[],
  ): Promise<GroupReplies["ListGroups"]["groups"][number][]> {
    const replies = await Promise.all(
      this.#coordinators.all().map((each) =>
        each.ask({ type: "ListGroups", states, types })
      ),
    );
    return replies.flatMap(({ groups }) => [...groups]);
  }

  /** Where the group's offsets lie, if that is here. */
  partitionOf(groupId: string): HostedPartition {
    return this.#topic.partitionOf(groupId);
  }

  /** Ends a transaction in a partition of offsets; resolves when committed. */
  async endTransaction(
    hosted: HostedPartition,
    marker: TxnMarker,
  ): Promise<void> {
    await this.#coordinators.attempt(() =>
      this.#coordinators.at(hosted).ask({ type: "EndTransaction", marker })
    );
  }

  /** A classic group as it is now, where it is coordinated here; to watch it. */
  classic(groupId: string): Group | undefined {
    for (const each of this.#coordinators.made) {
      const group = each.classic(groupId);
      if (group !== undefined) return group;
    }
    return undefined;
  }

  /** How many groups are in each state. */
  countStates(): GroupCounts {
    const counts = { classic: new Map(), consumer: new Map() };
    for (const each of this.#coordinators.made) each.countStates(counts);
    return counts;
  }

  /** Partitions of `topics` are led here now. */
  ledHere(topics: ReadonlySet<string>): void {
    this.#coordinators.ledHere(topics);
  }

  /** Offsets of topics that are gone go too. */
  topicsDeleted(topics: readonly string[]): void {
    const lost = topics.includes(OFFSETS_TOPIC);
    if (lost) return this.#coordinators.forget();
    for (const each of this.#coordinators.all()) {
      each.tell({ type: "TopicsDeleted", topics });
    }
  }

  /** The broker that coordinates `groupId`; creates the topic when needed. */
  coordinatorOf(groupId: string): Promise<number | undefined> {
    return this.#topic.coordinatorOf(groupId);
  }

  #scheduleExpiry(): void {
    const { env, config } = this.#services;
    const intervalMs = Math.min(
      config["offsets.retention.check.interval.ms"],
      TIMER_MS_MAX,
    );
    this.#cancelExpiry = env.clock.timer(intervalMs, () => {
      for (const each of this.#coordinators.all()) {
        each.tell({ type: "ExpireOffsets" });
      }
      this.#scheduleExpiry();
    });
  }
}

/** The image as groups see it. */
function topicsOf(services: Needs): GroupTopics {
  const { image } = services;
  return {
    get version() {
      return services.metadataOffset;
    },
    topic: (name) => image.topic(name),
    topicById: (id) => image.topicById(id),
    names: () => image.topics.keys(),
  };
}

/** What the partition's records changed, oldest first. */
function* changesOf(hosted: HostedPartition): Generator<GroupChange> {
  for (const view of batchesIn(hosted)) yield* changesIn(view);
}

function groupConfigOf(services: Needs): GroupConfig {
  const { config, image } = services;
  const valueOf = (name: keyof typeof GROUP_KEYS) => (groupId: string) =>
    groupValue(name, {
      texts: image.configs(RESOURCE_TYPE.GROUP, groupId),
      broker: services.config,
    });
  return {
    sessionTimeoutMinMs: config["group.min.session.timeout.ms"],
    sessionTimeoutMaxMs: config["group.max.session.timeout.ms"],
    initialRebalanceDelayMs: config["group.initial.rebalance.delay.ms"],
    groupSizeMax: config["group.max.size"],
    offsetMetadataBytesMax: config["offset.metadata.max.bytes"],
    offsetsRetentionMs: config["offsets.retention.minutes"] * 60_000,
    consumer: {
      groupSizeMax: config["group.consumer.max.size"],
      assignors: config["group.consumer.assignors"],
      migrationPolicy: config["group.consumer.migration.policy"],
      regexRefreshIntervalMs:
        config["group.consumer.regex.refresh.interval.ms"],
      sessionTimeoutMs: valueOf("consumer.session.timeout.ms"),
      heartbeatIntervalMs: valueOf("consumer.heartbeat.interval.ms"),
    },
  };
}
