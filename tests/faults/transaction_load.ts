/**
 * Transactions that live through every fault: producers that commit and abort,
 * and a reader of committed records beside them. In the end each transaction
 * must be there as a whole or not at all, as its producer was told, and the
 * reader must have seen just that.
 *
 * @module
 */
import { until } from "../fixtures.ts";
import type { Chance } from "../sim/chance.ts";
import type { Host } from "./host.ts";
import type { Load, Verdict } from "./load.ts";
import {
  type At,
  countOf,
  createTopic,
  judged,
  Reader,
  RECORDS,
  settledEnds,
  Writer,
} from "./transaction_writers.ts";

const WRITERS = 3;
const SETTLED_MS = 90_000;
const PROPERTIES = { "request.timeout.ms": 3000, "retry.backoff.ms": 20 };

/** Transactions alone. */
export class TransactionLoad implements Load {
  /** What was told to be committed must be so after a loss of power, too. */
  static readonly args = [
    ...["-X", "log.flush.interval.messages=1"],
    ...["-X", "transaction.state.log.num.partitions=3"],
  ];
  readonly #host: Host;
  readonly #chance: Chance;
  readonly #writers: Writer[] = [];
  #reader: Reader | undefined;
  #seen = 0;

  constructor(host: Host, chance: Chance) {
    this.#host = host;
    this.#chance = chance;
  }

  async start(): Promise<void> {
    const at = this.#at;
    await createTopic(at);
    const mayAbort = () => this.#chance.oneIn(3);
    for (let id = 0; id < WRITERS; id++) {
      this.#writers.push(new Writer(id, { ...at, mayAbort }));
    }
    this.#reader = new Reader(at);
    await until("transactions are committed", () => this.hasMoved());
  }

  hasMoved(): boolean {
    const before = this.#seen;
    this.#seen = countOf(this.#writers, "committed");
    return this.#seen > before;
  }

  async finish(): Promise<Verdict> {
    await Promise.all(this.#writers.map((writer) => writer.stop()));
    const at = this.#at;
    const ends = await settledEnds(at);
    const meanwhile = this.#reader!;
    const later = new Reader(at);
    await Promise.all([meanwhile.stop(ends), later.stop(ends)]);
    return {
      acknowledged: countOf(this.#writers, "committed") * RECORDS,
      anomalies: [
        ...judged("later", later.values, this.#writers),
        ...judged("meanwhile", meanwhile.values, this.#writers),
      ],
      history: {
        outcomes: this.#writers.map(({ outcomes }) => outcomes),
        meanwhile: meanwhile.values,
        later: later.values,
      },
    };
  }

  get #at(): At {
    const { address } = this.#host;
    return { address, properties: PROPERTIES, settledMs: SETTLED_MS };
  }
}
