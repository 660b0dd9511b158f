/**
 * The shape that every coordinator has: groups, transactions, the metadata
 * controller. `decide` reads the state and touches nothing; `apply` alone
 * mutates, at append and on replay alike. No promise, clock or log in here.
 *
 * @module
 */

/** What a decision may know of the outside. */
export interface DecideContext {
  /** Wall time, milliseconds since the Unix epoch. */
  readonly nowMs: number;
  /** The offset that the decision's first record will get. */
  readonly nextOffset: number;
}

/** The header of a batch that a decision's records have for themselves. */
export interface OwnBatch {
  readonly producerId: number;
  readonly producerEpoch: number;
  readonly isTransactional: boolean;
  readonly isControl?: boolean;
  /** What the log asks for beside the batch; nobody else looks into it. */
  readonly guard?: object | undefined;
  /** Of a marker. */
  readonly transactionVersion?: number;
}

/** What was decided. The reply and the effects go out once the records are committed. */
export interface Decision<Rec, Reply, Effect> {
  /** Records to append, all or none. */
  readonly records: readonly Rec[];
  /** Answer for whoever sent the input. */
  readonly reply: Reply;
  /** Messages to send and timers to set, in order. */
  readonly effects: readonly Effect[];
  /**
   * Absent: the records share a batch with others. The log may refuse an own
   * batch; then this input alone fails, and nothing has happened.
   */
  readonly ownBatch?: OwnBatch;
}

/** A replicated state machine: `decide`, then `apply`. */
export interface Machine<Input, Rec, Reply, Effect> {
  /** Reads the state, changes nothing. */
  decide(input: Input, context: DecideContext): Decision<Rec, Reply, Effect>;
  /** Changes the state by one record; the same live and on replay. */
  apply(record: Rec): void;
}
