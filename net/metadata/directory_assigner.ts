/**
 * Tells the controller where the replicas of this broker are when its metadata
 * say otherwise (KIP-858): a folder that was lost and made anew has another id,
 * and nobody may lead from a directory that is gone, or takes no more. Owns the
 * queue: one request in flight, what comes meanwhile goes together in the next.
 *
 * | who is in sync         | the disk       | told as                             |
 * | ---------------------- | -------------- | ----------------------------------- |
 * | this broker and others | refuses writes | lost: others lead, nobody waits     |
 * | nobody else            | refuses writes | nothing: reads go on                |
 * | others only            | refuses writes | nothing                             |
 * | whoever                | takes writes   | in its directory                    |
 *
 * @module
 */
import type { Uuid } from "../../core/bytes/uuid.ts";
import type { Cancel, Env } from "../../core/env/env.ts";
import { errorName, ERRORS } from "../../core/errors.ts";
import type { MetadataDelta } from "../../core/metadata/delta.ts";
import {
  DIRECTORY,
  directoryOf,
  usesDirectories,
} from "../../core/metadata/directories.ts";
import type { MetadataImage } from "../../core/metadata/image.ts";
import type { Decoded, Input } from "../../core/schema/schema.ts";
import type { ASSIGN_REPLICAS_TO_DIRS } from "../wire/73_assign_replicas_to_dirs.ts";

/** How long to wait before what failed is asked again. */
const RETRY_MS = 500;
/** How often it is looked which logs the disk refuses. */
const CHECK_MS = 1_000;
/** Replicas in one request; Kafka's brokers send as many. */
const REPLICAS_MAX = 2250;

type Request = Input<typeof ASSIGN_REPLICAS_TO_DIRS.request>;
type Response = Decoded<typeof ASSIGN_REPLICAS_TO_DIRS.response>;

/** A partition of this broker. */
export interface Place {
  readonly topicId: Uuid;
  readonly index: number;
}

/** A replica, and the directory that it is told to be in. */
interface Told extends Place {
  readonly id: Uuid;
}

/** What a {@linkcode DirectoryAssigner} is made of. */
export interface DirectoryAssignerOptions {
  readonly env: Pick<Env, "clock" | "tasks" | "trace">;
  readonly nodeId: number;
  /** The only directory of this broker. */
  readonly directoryId: Uuid;
  readonly image: MetadataImage;
  readonly brokerEpoch: () => number;
  /** Whether the disk refuses what is appended there. */
  readonly isRefused: (place: Place) => boolean;
  /** Asks the active controller, wherever it is. */
  readonly request: (body: Request) => Promise<Response>;
}

/** The assignments of one broker. */
export class DirectoryAssigner {
  readonly #options: DirectoryAssignerOptions;
  readonly #waiting = new Map<string, Place>();
  readonly #closed = new AbortController();
  #isRunning = false;
  #cancel: Cancel | undefined;

  constructor(options: DirectoryAssignerOptions) {
    this.#options = options;
  }

  /** Looks at all replicas of this broker, which is registered, now and then. */
  start(): void {
    const { env: { clock }, image, nodeId } = this.#options;
    for (const { topic, index } of image.partitionsOf(nodeId)) {
      this.#look({ topicId: topic.id, index });
    }
    this.#tell();
    this.#cancel = clock.timer(CHECK_MS, () => this.start());
  }

  /** Looks at what changed. */
  changed({ partitions }: MetadataDelta): void {
    const { image } = this.#options;
    for (const [name, indexes] of partitions) {
      const topicId = image.topic(name)?.id;
      if (topicId === undefined) continue;
      for (const index of indexes) this.#look({ topicId, index });
    }
    this.#tell();
  }

  /** Nothing is sent any more. */
  close(): void {
    this.#cancel?.();
    this.#closed.abort();
  }

  #look(place: Place): void {
    if (this.#toTell(place) === undefined) return;
    this.#waiting.set(`${place.topicId}:${place.index}`, place);
  }

  #tell(): void {
    const isIdle = this.#waiting.size === 0 || this.#closed.signal.aborted;
    if (isIdle || this.#isRunning) return;
    this.#isRunning = true;
    this.#options.env.tasks.spawn("assign directories", () => this.#run());
  }

  /** Where the replica is, if the controller has to hear of it. */
  #toTell(place: Place): Uuid | undefined {
    const { image, nodeId, isRefused } = this.#options;
    const partition = image.topicById(place.topicId)?.partitions[place.index];
    const isOurs = partition?.replicas.includes(nodeId) ?? false;
    if (partition === undefined || !isOurs || !usesDirectories(image)) return;
    let { directoryId } = this.#options;
    if (isRefused(place)) {
      const { isr } = partition;
      if (!isr.includes(nodeId) || isr.length === 1) return;
      directoryId = DIRECTORY.LOST;
    }
    return directoryOf(partition, nodeId) === directoryId
      ? undefined
      : directoryId;
  }

  async #run(): Promise<void> {
    const { signal } = this.#closed;
    const { clock } = this.#options.env;
    while (!signal.aborted) {
      const asked = this.#take();
      if (asked.length === 0) break;
      if (await this.#ask(asked)) continue;
      for (const place of asked) this.#look(place);
      await clock.sleep(RETRY_MS, signal).catch(() => {});
    }
    this.#isRunning = false;
  }

  #take(): Told[] {
    const taken: Told[] = [];
    for (const [key, place] of this.#waiting) {
      if (taken.length === REPLICAS_MAX) break;
      this.#waiting.delete(key);
      const id = this.#toTell(place);
      if (id !== undefined) taken.push({ ...place, id });
    }
    return taken;
  }

  /** Whether it is settled: what the controller doesn't know is on its way out. */
  async #ask(asked: readonly Told[]): Promise<boolean> {
    const { env: { trace }, request } = this.#options;
    try {
      const { errorCode } = await request(this.#request(asked));
      if (errorCode === ERRORS.NONE) return true;
      throw new Error(`it answers ${errorName(errorCode)}`);
    } catch (error) {
      if (!this.#closed.signal.aborted) {
        trace("warn", "The controller doesn't note where replicas are", {
          replicas: asked.length,
          error,
        });
      }
      return false;
    }
  }

  #request(asked: readonly Told[]): Request {
    const { nodeId, brokerEpoch } = this.#options;
    const directories = Map.groupBy(asked, ({ id }) => id);
    return {
      brokerId: nodeId,
      brokerEpoch: brokerEpoch(),
      directories: Array.from(directories, ([id, places]) => ({
        id,
        topics: Array.from(
          Map.groupBy(places, ({ topicId }) => topicId),
          ([topicId, places]) => ({
            topicId,
            partitions: places.map(({ index }) => ({ partitionIndex: index })),
          }),
        ),
      })),
    };
  }
}
