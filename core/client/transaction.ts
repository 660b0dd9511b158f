/**
 * One transactional producer as a state machine: which calls are allowed, what
 * an error means, what has to be sent to end a transaction. It must never send
 * anything, and never let a record be committed after a lost one.
 *
 * | state         | left by                        | to                      |
 * | ------------- | ------------------------------ | ----------------------- |
 * | uninitialized | `initialized()`                | ready                   |
 * | ready         | `begin()`                      | open                    |
 * | open          | `commit()`, `abort()`          | committing, aborting    |
 * | committing    | `ended()`                      | ready                   |
 * | aborting      | `ended()`, `initialized()`     | ready                   |
 * | abortable     | `abort()`                      | aborting                |
 * | fatal         | nothing                        |                         |
 *
 * A lost record or an abortable refusal leads to abortable, a fatal one to
 * fatal, from wherever it comes.
 *
 * @module
 */
import { type ErrorName, isRetriable, KafkaError } from "../errors.ts";
import { partitionName, type TopicPartition } from "../ids.ts";
import { invariant } from "../invariant.ts";
import type { ProducerIdentity } from "./partition_queue.ts";

/** Where a transactional producer stands. */
export type TransactionState =
  | "uninitialized"
  | "ready"
  | "open"
  | "committing"
  | "aborting"
  | "abortable"
  | "fatal";

/** What a refusal asks for. */
export type Verdict = "retry" | "abortable" | "fatal";

/** What ends the transaction next: EndTxn, a newer epoch, or nothing more. */
export type EndStep = "end" | "bump" | undefined;

/** Who ends with it, whatever was asked. */
const FATAL: ReadonlySet<ErrorName> = new Set<ErrorName>([
  "CLUSTER_AUTHORIZATION_FAILED",
  "PRODUCER_FENCED",
  "TRANSACTIONAL_ID_AUTHORIZATION_FAILED",
  "TRANSACTION_COORDINATOR_FENCED",
  "UNSUPPORTED_FOR_MESSAGE_FORMAT",
  "UNSUPPORTED_VERSION",
]);

/** What an abort mends, of the coordinators' refusals. */
const ABORTABLE: ReadonlySet<ErrorName> = new Set<ErrorName>([
  "FENCED_INSTANCE_ID",
  "FENCED_MEMBER_EPOCH",
  "GROUP_AUTHORIZATION_FAILED",
  "ILLEGAL_GENERATION",
  "INVALID_COMMIT_OFFSET_SIZE",
  "INVALID_PRODUCER_ID_MAPPING",
  "OFFSET_METADATA_TOO_LARGE",
  "OPERATION_NOT_ATTEMPTED",
  "REBALANCE_IN_PROGRESS",
  "STALE_MEMBER_EPOCH",
  "TOPIC_AUTHORIZATION_FAILED",
  "TRANSACTION_ABORTABLE",
  "UNKNOWN_MEMBER_ID",
  "UNKNOWN_PRODUCER_ID",
]);

/**
 * A transactional producer.
 *
 * 1. `error` is set exactly in the states abortable and fatal, and while
 *    aborting on account of one.
 * 2. With version 1 a partition is admitted only after the coordinator has it;
 *    with version 2 its leader adds it.
 * 3. The identity changes only while nothing is in flight.
 */
export class ProducerTransaction {
  /** Who it is; unknown until initialized. */
  identity: ProducerIdentity | undefined;
  /** Why it has to be aborted, or can't go on at all. */
  error: KafkaError | undefined;
  readonly #transactionalId: string;
  #state: TransactionState = "uninitialized";
  #version: 1 | 2 = 1;
  #hasStarted = false;
  /** Whether something was sent whose answer may have been lost. */
  #isUncertain = false;
  #needsBump = false;
  #toAdd = new Map<string, TopicPartition>();
  #added = new Set<string>();
  #groups = new Set<string>();

  constructor(transactionalId: string) {
    this.#transactionalId = transactionalId;
  }

  /** Where it stands. */
  get state(): TransactionState {
    return this.#state;
  }

  /** The version (KIP-890) of the transaction that is open, or was last. */
  get version(): 1 | 2 {
    return this.#version;
  }

  /** Whether batches are sent and sent again. */
  get isSending(): boolean {
    return this.#state === "open" || this.#state === "committing";
  }

  /** Throws unless a first identity may be asked for. */
  checkInitialize(): void {
    if (this.#state === "uninitialized") return;
    throw this.#misuse("initialize transactions", "it is done already");
  }

  /** An identity came, the first or a newer one. */
  initialized({ producerId, producerEpoch }: ProducerIdentity): void {
    this.identity = { producerId, producerEpoch, isTransactional: true };
    this.#needsBump = false;
    this.#finish();
  }

  /** Begins a transaction of `version`. */
  begin(version: 1 | 2): void {
    if (this.#state !== "ready") {
      throw this.error ?? this.#misuse(
        "begin a transaction",
        this.#state === "uninitialized"
          ? "call initTransactions() first"
          : "the one before has not ended",
      );
    }
    this.#version = version;
    this.#state = "open";
  }

  /** Why nothing can be added to the transaction now. */
  refusal(what: string): KafkaError | undefined {
    if (this.#state === "open") return undefined;
    return this.error ??
      this.#misuse(
        what,
        this.#state === "ready"
          ? "no transaction has begun"
          : this.#state === "uninitialized"
          ? "call initTransactions() first"
          : "the transaction is being ended",
      );
  }

  /**
   * Whether batches of the partition may be sent now; with version 1 one that
   * is new gets in line for the coordinator first.
   */
  admits({ topic, partition }: TopicPartition): boolean {
    if (!this.isSending) return false;
    if (this.#version === 2) {
      return this.#hasStarted = true;
    }
    const name = partitionName(topic, partition);
    if (this.#added.has(name)) return true;
    this.#toAdd.set(name, { topic, partition });
    return false;
  }

  /** Partitions that the coordinator has to know first. */
  get toAdd(): TopicPartition[] {
    return this.isSending ? [...this.#toAdd.values()] : [];
  }

  /** Something is sent to the coordinator that starts the transaction there. */
  starting(): void {
    if (!this.#hasStarted) this.#isUncertain = true;
  }

  /** The coordinator has these partitions. */
  added(partitions: readonly TopicPartition[]): void {
    this.#started();
    for (const { topic, partition } of partitions) {
      const name = partitionName(topic, partition);
      this.#toAdd.delete(name);
      this.#added.add(name);
    }
  }

  /** Whether the coordinator has to be told that offsets of the group come. */
  lacksGroup(groupId: string): boolean {
    if (this.#version === 2) this.#hasStarted = true;
    return this.#version === 1 && !this.#groups.has(groupId);
  }

  /** The coordinator knows that offsets of the group come. */
  addedGroup(groupId: string): void {
    this.#started();
    this.#groups.add(groupId);
  }

  /** A coordinator refused a request: what is to be done. Takes note. */
  refused(error: KafkaError): Verdict {
    const isFenced = error.error === "INVALID_PRODUCER_EPOCH" ||
      error.error === "PRODUCER_FENCED";
    if (isFenced) return this.#fail(this.#fenced(error), "fatal");
    if (ABORTABLE.has(error.error)) {
      // Such an id is unknown to the coordinator: it can't end anything.
      if (error.error === "INVALID_PRODUCER_ID_MAPPING") this.#needsBump = true;
      const canAbort = this.#state !== "aborting" &&
        this.#state !== "uninitialized";
      return this.#fail(error, canAbort ? "abortable" : "fatal");
    }
    if (isRetriable(error.code) && !FATAL.has(error.error)) return "retry";
    return this.#fail(error, "fatal");
  }

  /** What was asked gets no answer in time: only an abort is safe now. */
  gaveUp(error: KafkaError): void {
    this.#fail(error, "abortable");
  }

  /**
   * Records were lost. True when that is what spoils the transaction, so that
   * what still waits has no use. Whether this producer was fenced comes out at
   * the abort.
   */
  lost(error: KafkaError): boolean {
    const had = this.error;
    if (this.#state === "aborting") return false;
    this.#fail(error, FATAL.has(error.error) ? "fatal" : "abortable");
    return had === undefined;
  }

  /** Begins, or goes on, to commit; throws when only an abort is left. */
  commit(): void {
    if (this.#state === "committing") return;
    const refusal = this.refusal("commit");
    if (refusal) throw refusal;
    this.#state = "committing";
  }

  /** Begins, or goes on, to abort; throws when it can't be. */
  abort(): void {
    switch (this.#state) {
      case "open":
      case "abortable":
      case "aborting":
        this.#state = "aborting";
        this.#toAdd.clear();
        return;
      case "fatal":
        throw this.error!;
      case "committing":
        throw this.#misuse(
          "abort",
          "a commit is under way and may be done. Commit again to find out",
        );
      default:
        throw this.#misuse("abort", "no transaction has begun");
    }
  }

  /**
   * The next step of ending, once nothing is in flight. `hasGap` tells of sent
   * batches whose fate is unknown: with version 1 a newer epoch has to make
   * their sequences void, with version 2 every end brings one.
   */
  endStep(hasGap: boolean): EndStep {
    invariant(
      this.#state === "committing" || this.#state === "aborting",
      "a transaction is being ended",
    );
    const isUnknown = this.error?.error === "INVALID_PRODUCER_ID_MAPPING";
    if ((this.#hasStarted || this.#isUncertain) && !isUnknown) return "end";
    if (this.#needsBump || hasGap) return "bump";
    this.#finish();
    return undefined;
  }

  /** EndTxn was accepted; version 2 brings the next identity. */
  ended(next: ProducerIdentity): void {
    this.#hasStarted = this.#isUncertain = false;
    if (next.producerId < 0) return;
    this.identity = { ...next, isTransactional: true };
    this.#needsBump = false;
  }

  /**
   * EndTxn was refused. True when that means that the coordinator never heard
   * of the transaction: there is nothing to end.
   */
  wasNeverStarted(error: KafkaError): boolean {
    const isSo = this.#state === "aborting" && !this.#hasStarted &&
      error.error === "INVALID_TXN_STATE";
    if (isSo) {
      this.#isUncertain = false;
      this.#needsBump = true;
    }
    return isSo;
  }

  #started(): void {
    this.#hasStarted = true;
    this.#isUncertain = false;
  }

  #finish(): void {
    this.#state = "ready";
    this.error = undefined;
    this.#hasStarted = this.#isUncertain = false;
    this.#toAdd.clear();
    this.#added.clear();
    this.#groups.clear();
  }

  #fail(error: KafkaError, verdict: "abortable" | "fatal"): Verdict {
    if (this.#state === "fatal") return "fatal";
    if (verdict === "abortable" && this.#state === "aborting") return verdict;
    this.#state = verdict;
    if (verdict === "fatal" || !this.error) this.error = error;
    return verdict;
  }

  #fenced(error: KafkaError): KafkaError {
    return new KafkaError(
      "PRODUCER_FENCED",
      `Cannot go on as transactional.id "${this.#transactionalId}": another producer took it over, or its transaction timed out`,
      { cause: error },
    );
  }

  #misuse(what: string, why: string): KafkaError {
    return new KafkaError("INVALID_TXN_STATE", `Cannot ${what}: ${why}`);
  }
}
