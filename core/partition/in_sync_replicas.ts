/**
 * Who is in sync, as the controller has it and as the leader has asked for it.
 * Owns the proposal that is under way; only the controller's answer or newer
 * metadata make it count.
 *
 * | state         | event                                            | next          |
 * | ------------- | ------------------------------------------------ | ------------- |
 * | committed     | a follower is in sync                            | PendingExpand |
 * | committed     | followers lag                                    | PendingShrink |
 * | pending       | success, partition epoch newer or the same       | committed     |
 * | pending       | INELIGIBLE_REPLICA, OPERATION_NOT_ATTEMPTED      | as it was     |
 * | pending       | the controller knows better (fenced, old, gone)  | waits for metadata |
 * | pending       | any other failure                                | asked again   |
 * | any           | metadata of a newer partition epoch              | committed     |
 *
 * A proposed expansion counts for the high watermark at once, a shrink not
 * before it is committed: the controller may elect by either set.
 *
 * @module
 */
import type { ErrorName } from "../errors.ts";

/** What the leader asks the controller for. Its identity tells answers apart. */
export interface IsrProposal {
  readonly leaderEpoch: number;
  readonly partitionEpoch: number;
  readonly newIsr: readonly {
    readonly brokerId: number;
    /** −1 when the leader has not heard of it in this epoch. */
    readonly brokerEpoch: number;
  }[];
}

/** What became of a proposal. */
export type IsrResult =
  | {
    readonly error: "NONE";
    readonly leaderEpoch: number;
    readonly partitionEpoch: number;
    readonly isr: readonly number[];
  }
  | { readonly error: Exclude<ErrorName, "NONE"> };

/** What an answer leads to: the set counts, metadata will tell, or ask again. */
export type IsrOutcome = "settled" | "waits" | "retry";

/**
 * The in-sync replicas of a led partition.
 *
 * Invariants:
 * 1. At most one proposal is pending.
 * 2. `maximal` holds everybody whom the controller may elect.
 */
export class InSyncReplicas {
  #committed: readonly number[] = [];
  #maximal: readonly number[] = [];
  #pending: IsrProposal | undefined;

  /** As the controller has it. */
  get committed(): readonly number[] {
    return this.#committed;
  }

  /** With those who may be in it already. */
  get maximal(): readonly number[] {
    return this.#maximal;
  }

  /** What the controller is to be asked for, or is being asked. */
  get pending(): IsrProposal | undefined {
    return this.#pending;
  }

  /** The controller has it so. */
  commit(isr: readonly number[]): void {
    this.#committed = isr;
    this.#maximal = isr;
    this.#pending = undefined;
  }

  /** Asks for another set, either larger or smaller. */
  propose(proposal: IsrProposal): void {
    this.#pending = proposal;
    const ids = proposal.newIsr.map(({ brokerId }) => brokerId);
    this.#maximal = ids.length > this.#committed.length ? ids : this.#committed;
  }

  /** The controller refused: nobody may be elected by what was asked for. */
  withdraw(): void {
    this.commit(this.#committed);
  }
}

/** What a refusal of the controller leads to. */
export function outcomeOf(error: ErrorName): IsrOutcome {
  switch (error) {
    case "INELIGIBLE_REPLICA":
    case "OPERATION_NOT_ATTEMPTED":
      return "settled";
    case "UNKNOWN_TOPIC_OR_PARTITION":
    case "UNKNOWN_TOPIC_ID":
    case "FENCED_LEADER_EPOCH":
    case "INVALID_UPDATE_VERSION":
    case "INVALID_REQUEST":
    case "NEW_LEADER_ELECTED":
      return "waits";
    default:
      return "retry";
  }
}
