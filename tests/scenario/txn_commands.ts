/**
 * The words of transaction scenarios: each command becomes a request, each
 * answer a line. Producers are named, and go on with the id and epoch that
 * they were told last. Owns the wording only.
 *
 * @module
 */
import { KafkaError } from "../../core/errors.ts";
import { partitionName, type TopicPartition } from "../../core/ids.ts";
import type {
  ListedTransaction,
  PartitionsReply,
  ProducerIdAndEpoch,
  ProducerReply,
  TxnProducer,
  TxnReply,
  TxnRequest,
} from "../../core/txn/inputs.ts";
import {
  fresh,
  listOf,
  started,
  type Transaction,
} from "../../core/txn/transaction.ts";
import type { Command } from "./datadriven.ts";
import { START_MS, TxnWorld } from "./txn_world.ts";

/** Runs transaction commands against a fresh coordinator. */
export class TxnCommands {
  readonly #world = new TxnWorld();
  readonly #producers = new Map<string, ProducerIdAndEpoch>();
  #lines: string[] = [];

  /** What the command made happen, a line each. */
  async run(command: Command): Promise<string[]> {
    this.#lines = [];
    this.#dispatch(command);
    await this.#world.settle();
    return this.#lines;
  }

  #dispatch(command: Command): void {
    const { name, words, args } = command;
    switch (name) {
      case "config": {
        const set = [...args].map(([key, text]) => [key, Number(text)]);
        this.#world.config = {
          ...this.#world.config,
          ...Object.fromEntries(set),
        };
        return;
      }
      case "init":
        return this.#init(command);
      case "add":
      case "verify":
        return this.#partitions(command);
      case "end":
        return this.#end(command);
      case "markers":
        return this.#world.writeMarkers(
          words.length === 0 ? undefined : words.map(partitionOf),
        );
      case "advance":
        this.#world.monoMs += Number(words[0]);
        this.#world.nowMs += Number(words[0]);
        return;
      case "clock-jump":
        this.#world.nowMs += Number(words[0]);
        return;
      case "abort-timed-out":
        return this.#world.abortTimedOut();
      case "expire":
        return this.#world.submit({ type: "ExpireIds" }, () => {});
      case "found":
        return this.#found(command);
      case "hold":
        return this.#world.hold(true);
      case "commit-log":
        return this.#world.hold(false);
      case "restart":
        return this.#world.restart();
      case "show":
        return this.#show(args);
      case "log":
        return this.#printLog(Number(words[0] ?? 0));
      default:
        throw new Error(`There is no command "${name}"`);
    }
  }

  #init({ words, args }: Command): void {
    const who = words[0]!;
    const expects = words[1] === "own" || args.has("epoch");
    this.#ask(who, {
      type: "InitProducerId",
      transactionalId: args.get("id") ?? "x",
      timeoutMs: Number(args.get("timeout") ?? 60_000),
      ...(expects ? { expected: this.#producer(who, args) } : undefined),
    }, "init");
  }

  /** A producer far from its first epoch. */
  #found({ words, args }: Command): void {
    const producerId = Number(args.get("pid") ?? 1);
    const producerEpoch = Number(args.get("epoch"));
    this.#producers.set(words[0]!, { producerId, producerEpoch });
    const nowMs = START_MS + this.#world.nowMs;
    const before = fresh({ producerId, timeoutMs: 60_000, nowMs });
    this.#world.found({
      type: "Transaction",
      transactionalId: args.get("id") ?? "x",
      version: 1,
      transaction: started(before, {
        ...before,
        producerEpoch,
        nowMs,
      }),
    });
  }

  #partitions({ name, words: [who, ...partitions], args }: Command): void {
    this.#ask(who!, {
      type: name === "add" ? "AddPartitions" : "VerifyPartitions",
      ...this.#producer(who!, args),
      partitions: partitions.map(partitionOf),
      clientVersion: Number(args.get("v") ?? 2),
    }, name);
  }

  #end({ words: [who, result], args }: Command): void {
    this.#ask(who!, {
      type: "EndTxn",
      ...this.#producer(who!, args),
      committed: result === "commit",
      clientVersion: Number(args.get("v") ?? 2),
    }, result!);
  }

  #ask(who: string, request: TxnRequest, name: string): void {
    this.#world.submit(request, (reply) => {
      this.#lines.push(`${who}: ${name} ${this.#told(who, reply)}`);
    });
  }

  #told(who: string, reply: TxnReply | KafkaError): string {
    if (reply instanceof KafkaError) return reply.error;
    if (reply !== null && "errors" in reply!) {
      return (reply as PartitionsReply).errors.join(" ");
    }
    const { error, ...producer } = reply as ProducerReply;
    if (error !== "NONE") return error;
    this.#producers.set(who, producer);
    return `id=${producer.producerId} epoch=${producer.producerEpoch}`;
  }

  #producer(who: string, args: ReadonlyMap<string, string>): TxnProducer {
    const known = this.#producers.get(who);
    return {
      transactionalId: args.get("id") ?? "x",
      producerId: Number(args.get("pid") ?? known?.producerId ?? -1),
      producerEpoch: Number(args.get("epoch") ?? known?.producerEpoch ?? -1),
    };
  }

  #show(args: ReadonlyMap<string, string>): void {
    const listOfWords = (name: string) =>
      args.get(name)?.split(",").filter((word) => word !== "") ?? [];
    this.#world.submit({
      type: "ListTransactions",
      states: listOfWords("states"),
      producerIds: listOfWords("pids").map(Number),
      longerThanMs: Number(args.get("longer") ?? -1),
      pattern: args.get("pattern") ?? "",
    }, (reply) => {
      if (reply instanceof KafkaError) {
        this.#lines.push(reply.error);
        return;
      }
      for (const each of reply as readonly ListedTransaction[]) {
        this.#lines.push(`${each.transactionalId} ${stateLine(each)}`);
      }
    });
    for (const { partitions, ...marker } of this.#world.pending) {
      const kind = marker.committed ? "commit" : "abort";
      this.#lines.push(
        `  ${kind} markers of ${marker.producerId}/${marker.producerEpoch} version ${marker.transactionVersion} wait for [${
          namesOf(partitions)
        }]`,
      );
    }
  }

  #printLog(from: number): void {
    let offset = 0;
    for (const record of this.#world.records()) {
      if (offset++ < from) continue;
      const { transactionalId, transaction, version } = record;
      this.#lines.push(
        `${offset - 1} ${transactionalId} ` +
          (transaction === null
            ? "tombstone"
            : `v${version} ${stateLine(transaction)}`),
      );
    }
  }
}

function partitionOf(name: string): TopicPartition {
  const at = name.lastIndexOf("-");
  return { topic: name.slice(0, at), partition: Number(name.slice(at + 1)) };
}

function namesOf(partitions: readonly TopicPartition[]): string {
  return partitions
    .map(({ topic, partition }) => partitionName(topic, partition))
    .join(" ");
}

function stateLine(transaction: Transaction): string {
  const { producerId, producerEpoch, startMs, clientVersion } = transaction;
  const parts = [transaction.state, `${producerId}/${producerEpoch}`];
  if (transaction.previousProducerId !== producerId) {
    parts.push(`previous=${transaction.previousProducerId}`);
  }
  if (transaction.nextProducerId !== -1) {
    parts.push(`next=${transaction.nextProducerId}`);
  }
  if (startMs !== -1) parts.push(`began=${startMs - START_MS}`);
  if (clientVersion !== 0) parts.push(`client=${clientVersion}`);
  const partitions = listOf(transaction.partitions);
  if (partitions.length > 0) parts.push(`[${namesOf(partitions)}]`);
  return parts.join(" ");
}
