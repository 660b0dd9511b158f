/**
 * What the active controller has heard of brokers since it became active: soft
 * state that no record holds and that another controller begins anew. Owns who
 * has a session; decides nothing.
 *
 * @module
 */
import type { BrokerImage } from "./image.ts";

/** What was last heard of one broker. */
export interface BrokerContact {
  readonly brokerId: number;
  readonly brokerEpoch: number;
  /** When, on the monotonic clock; −∞ once it was let go. */
  readonly atMs: number;
  /** The last metadata offset that it has reached; −1: not told yet. */
  readonly metadataOffset: number;
  /** It must have reached this one before it may serve. */
  readonly caughtUpOffset: number;
  /** All must have reached this one before it may go; −1: it stays. */
  readonly shutdownOffset: number;
}

/**
 * Contacts of all brokers.
 *
 * Invariants:
 * 1. There is one contact per broker at most, of the last epoch heard of.
 */
export class BrokerContacts {
  readonly #sinceMs: number;
  readonly #contacts = new Map<number, BrokerContact>();

  /** Nobody has been heard of since `sinceMs`. */
  constructor(sinceMs: number) {
    this.#sinceMs = sinceMs;
  }

  /** A broker was heard of. */
  heard(contact: BrokerContact): void {
    this.#contacts.set(contact.brokerId, contact);
  }

  /** The contact with this very incarnation. */
  of({ id, epoch }: Pick<BrokerImage, "id" | "epoch">):
    | BrokerContact
    | undefined {
    const contact = this.#contacts.get(id);
    return contact?.brokerEpoch === epoch ? contact : undefined;
  }

  /** Since when the broker is silent, or else since we listen. */
  silentSinceMs(broker: Pick<BrokerImage, "id" | "epoch">): number {
    return this.of(broker)?.atMs ?? this.#sinceMs;
  }
}
