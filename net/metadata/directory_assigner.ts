/**
 * Tells the controller where the replicas of this broker are when its metadata
 * say otherwise (KIP-858): a folder that was lost and made anew has another id,
 * and nobody may lead from a directory that is gone. Owns the queue: one
 * request in flight, what comes meanwhile goes together in the next one.
 *
 * @module
 */
import type { Uuid } from "../../core/bytes/uuid.ts";
import type { Env } from "../../core/env/env.ts";
import { errorName, ERRORS } from "../../core/errors.ts";
import type { MetadataDelta } from "../../core/metadata/delta.ts";
import {
  directoryOf,
  usesDirectories,
} from "../../core/metadata/directories.ts";
import type { MetadataImage } from "../../core/metadata/image.ts";
import type { Decoded, Input } from "../../core/schema/schema.ts";
import type { ASSIGN_REPLICAS_TO_DIRS } from "../wire/73_assign_replicas_to_dirs.ts";

/** How long to wait before what failed is asked again. */
const RETRY_MS = 500;
/** Replicas in one request; Kafka's brokers send as many. */
const REPLICAS_MAX = 2250;

type Request = Input<typeof ASSIGN_REPLICAS_TO_DIRS.request>;
type Response = Decoded<typeof ASSIGN_REPLICAS_TO_DIRS.response>;

/** A partition of this broker. */
interface Place {
  readonly topicId: Uuid;
  readonly index: number;
}

/** What a {@linkcode DirectoryAssigner} is made of. */
export interface DirectoryAssignerOptions {
  readonly env: Pick<Env, "clock" | "tasks" | "trace">;
  readonly nodeId: number;
  /** The only directory of this broker. */
  readonly directoryId: Uuid;
  readonly image: MetadataImage;
  readonly brokerEpoch: () => number;
  /** Asks the active controller, wherever it is. */
  readonly request: (body: Request) => Promise<Response>;
}

/** The assignments of one broker. */
export class DirectoryAssigner {
  readonly #options: DirectoryAssignerOptions;
  readonly #waiting = new Map<string, Place>();
  readonly #closed = new AbortController();
  #isRunning = false;

  constructor(options: DirectoryAssignerOptions) {
    this.#options = options;
  }

  /** Looks at all replicas of this broker, which is registered. */
  start(): void {
    const { image, nodeId } = this.#options;
    for (const { topic, index } of image.partitionsOf(nodeId)) {
      this.#look({ topicId: topic.id, index });
    }
    this.#tell();
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
    this.#closed.abort();
  }

  #look(place: Place): void {
    if (!this.#isElsewhere(place)) return;
    this.#waiting.set(`${place.topicId}:${place.index}`, place);
  }

  #tell(): void {
    const isIdle = this.#waiting.size === 0 || this.#closed.signal.aborted;
    if (isIdle || this.#isRunning) return;
    this.#isRunning = true;
    this.#options.env.tasks.spawn("assign directories", () => this.#run());
  }

  #isElsewhere({ topicId, index }: Place): boolean {
    const { image, nodeId, directoryId } = this.#options;
    const partition = image.topicById(topicId)?.partitions[index];
    return partition !== undefined && partition.replicas.includes(nodeId) &&
      usesDirectories(image) && directoryOf(partition, nodeId) !== directoryId;
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

  #take(): Place[] {
    const taken: Place[] = [];
    for (const [key, place] of this.#waiting) {
      if (taken.length === REPLICAS_MAX) break;
      this.#waiting.delete(key);
      if (this.#isElsewhere(place)) taken.push(place);
    }
    return taken;
  }

  /** Whether it is settled: what the controller doesn't know is on its way out. */
  async #ask(asked: readonly Place[]): Promise<boolean> {
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

  #request(asked: readonly Place[]): Request {
    const { nodeId, directoryId, brokerEpoch } = this.#options;
    const topics = Map.groupBy(asked, ({ topicId }) => topicId);
    return {
      brokerId: nodeId,
      brokerEpoch: brokerEpoch(),
      directories: [{
        id: directoryId,
        topics: Array.from(topics, ([topicId, places]) => ({
          topicId,
          partitions: places.map(({ index }) => ({ partitionIndex: index })),
        })),
      }],
    };
  }
}
