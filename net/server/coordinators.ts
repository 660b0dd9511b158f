/**
 * The coordinators of one kind that a broker hosts: one for each partition of
 * their topic that it leads, loaded when first needed. Owns which there are,
 * and what is told of their failures; what they do is their own.
 *
 * @module
 */
import { KafkaError, messageOf } from "../../core/errors.ts";
import {
  type CoordinatorTopic,
  errorNameOf,
  notCoordinator,
} from "./coordinator_topic.ts";
import type { HostedPartition } from "./hosted_partition.ts";
import type { Services } from "./services.ts";

/** What coordinates in one partition. */
export interface Coordinator {
  readonly hosted: HostedPartition;
  /** Replays the partition unless that is done; throws when it can't be read. */
  load(): void;
  /** Forgets its state; whoever waits is told `error`. */
  fail(error: unknown): void;
}

/**
 * All coordinators of one topic.
 *
 * Invariants:
 * 1. At most one coordinator stands for a hosted partition.
 */
export class Coordinators<C extends Coordinator> {
  readonly #services: Pick<Services, "env" | "partitions">;
  readonly #topic: CoordinatorTopic;
  readonly #create: (hosted: HostedPartition) => C;
  readonly #made = new Map<number, C>();
  #isClosed = false;

  constructor(
    services: Pick<Services, "env" | "partitions">,
    topic: CoordinatorTopic,
    create: (hosted: HostedPartition) => C,
  ) {
    this.#services = services;
    this.#topic = topic;
    this.#create = create;
  }

  /** Those that were needed so far. */
  get made(): Iterable<C> {
    return this.#made.values();
  }

  /** The one that coordinates `id`; throws when that is not here. */
  of(id: string): C {
    this.#checkOpen();
    return this.at(this.#topic.partitionOf(id));
  }

  /** The one of a partition that is hosted here. */
  at(hosted: HostedPartition): C {
    this.#checkOpen();
    let coordinator = this.#made.get(hosted.index);
    if (coordinator?.hosted !== hosted) {
      coordinator?.fail(notCoordinator("the partition was replaced"));
      coordinator = this.#create(hosted);
      this.#made.set(hosted.index, coordinator);
    }
    coordinator.load();
    return coordinator;
  }

  /**
   * All that can be loaded. A partition whose records can't be read keeps
   * nobody else's state from being served, nor the broker from starting.
   */
  all(): C[] {
    if (this.#isClosed) return [];
    const { partitions, env } = this.#services;
    return partitions.ofTopic(this.#topic.name).flatMap((hosted) => {
      if (!hosted.partition.isLeader) return [];
      try {
        return [this.at(hosted)];
      } catch (error) {
        const { name } = hosted.partition;
        env.trace("error", `What ${name} keeps can't be loaded`, { error });
        return [];
      }
    });
  }

  /** Of partitions of `topics` others are led here now: theirs is loaded. */
  ledHere(topics: ReadonlySet<string>): void {
    if (topics.has(this.#topic.name)) this.all();
  }

  /** The topic is gone, and what was in it. */
  forget(): void {
    this.#made.clear();
  }

  /** Ends them all; whoever waits is refused. */
  close(): void {
    this.#isClosed = true;
    for (const coordinator of this.#made.values()) {
      coordinator.fail(notCoordinator("the broker stops"));
    }
    this.#made.clear();
  }

  /** Tells of failures in Kafka's terms. */
  async attempt<T>(attempt: () => Promise<T>): Promise<T> {
    try {
      return await attempt();
    } catch (error) {
      const name = errorNameOf(error);
      if (name === "UNKNOWN_SERVER_ERROR") {
        const { name: topic } = this.#topic;
        const { trace } = this.#services.env;
        trace("error", `A coordinator of ${topic} failed`, { error });
      }
      throw new KafkaError(
        name,
        messageOf(error),
        { cause: error },
      );
    }
  }

  #checkOpen(): void {
    if (this.#isClosed) throw notCoordinator("the broker stops");
  }
}
