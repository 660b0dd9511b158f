/**
 * How old the oldest record is that a group has yet to read: reads the one
 * record at each committed offset. It commits nothing and joins no group.
 *
 * @module
 */
import type {
  Consumer,
  ConsumerRecord,
  TopicPartition,
} from "../net/client.ts";
import { openConsumer } from "./reading.ts";
import { commonProperties, type Settings } from "./settings.ts";
import { partitionKey } from "./targets.ts";
import { monoMs } from "./terminal.ts";

/** A partition with something to read, and from where. */
export interface Behind extends TopicPartition {
  /** The next offset to read. */
  readonly committedOffset: number;
  /** Where its log ends. */
  readonly endOffset: number;
}

/** One record is wanted; the rest of its batch comes along. */
const RECORD_FETCH_BYTES = 16_384;
/** Most that a look takes, however far the records are. */
const PATIENCE_MS = 2000;

/** Timestamps of first unread records; asks once for as long as a group stands still. */
export class UnreadTimes {
  readonly #settings: Settings;
  readonly #known = new Map<string, { offset: number; timestamp: number }>();

  constructor(settings: Settings) {
    this.#settings = settings;
  }

  /** Milliseconds since the Unix epoch by `partitionKey`; none for what can't be read. */
  async find(behind: readonly Behind[]): Promise<Map<string, number>> {
    const unknown = behind.filter((at) =>
      this.#known.get(partitionKey(at))?.offset !== at.committedOffset
    );
    if (unknown.length > 0) await this.#read(unknown);
    const found = new Map<string, number>();
    for (const at of behind) {
      const known = this.#known.get(partitionKey(at));
      if (known?.offset === at.committedOffset && known.timestamp >= 0) {
        found.set(partitionKey(at), known.timestamp);
      }
    }
    return found;
  }

  async #read(behind: readonly Behind[]): Promise<void> {
    const consumer = await openConsumer({
      ...this.#settings,
      properties: commonProperties(this.#settings),
    }, { "max.partition.fetch.bytes": RECORD_FETCH_BYTES });
    try {
      consumer.assign(behind);
      for (const at of behind) consumer.seek(at, at.committedOffset);
      await this.#takeFirsts(consumer, behind);
    } finally {
      await consumer.close();
    }
  }

  async #takeFirsts(
    consumer: Consumer,
    behind: readonly Behind[],
  ): Promise<void> {
    const left = new Map(behind.map((at) => [partitionKey(at), at]));
    const note = (at: Behind, first: ConsumerRecord | undefined) => {
      this.#known.set(partitionKey(at), {
        offset: at.committedOffset,
        timestamp: first?.timestamp ?? -1,
      });
      consumer.pause([at]);
      left.delete(partitionKey(at));
    };
    const deadlineMs = monoMs() + PATIENCE_MS;
    while (left.size > 0 && monoMs() < deadlineMs) {
      for (const batch of await consumer.poll(100)) {
        const at = left.get(partitionKey(batch));
        if (at !== undefined) note(at, batch.records[0]);
      }
      for (const at of left.values()) {
        // Markers and compacted records leave nothing to read up to the end.
        if (await consumer.position(at) >= at.endOffset) note(at, undefined);
      }
    }
  }
}
