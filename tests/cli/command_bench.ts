/**
 * What tests of the command share: a broker in a folder of its own and kf
 * commands that talk to it. Owns no assertion but that a command succeeded.
 *
 * @module
 */
import { assertEquals } from "@std/assert";
import { createProducer, type ProducerRecord } from "../../net/client.ts";
import {
  type BrokerProcess,
  type Finished,
  kf,
  type RunOptions,
  startBrokerProcess,
  temporaryFolder,
} from "../fixtures.ts";

/** A broker, and kf commands that talk to it. */
export interface Bench extends AsyncDisposable {
  readonly broker: BrokerProcess;
  readonly address: string;
  /** Where commands run; the broker's data are in `data` below it. */
  readonly folder: string;
  /** Runs a command to its end; a text is split at blanks. */
  kf(args: string | readonly string[], options?: RunOptions): Promise<Finished>;
  /** Runs one that must succeed; gives its JSON. */
  json(line: string): Promise<unknown>;
  /** Writes records; those of a partition in their order. */
  produce(records: readonly ProducerRecord[]): Promise<void>;
}

/** Starts the broker. */
export async function startBench(): Promise<Bench> {
  const folder = temporaryFolder();
  const broker = await startBrokerProcess({ data: `${folder.path}/data` });
  const { address } = broker;
  const call: Bench["kf"] = (args, options) => {
    const words = typeof args === "string" ? args.split(" ") : args;
    return kf([...words, "-b", address], { cwd: folder.path, ...options });
  };
  return {
    broker,
    address,
    folder: folder.path,
    kf: call,
    async json(line) {
      return JSON.parse(done(await call(`${line} --format json`)));
    },
    async produce(records) {
      const producer = createProducer({ "bootstrap.servers": address });
      try {
        await Promise.all(records.map((record) => producer.send(record)));
      } finally {
        await producer.close();
      }
    },
    async [Symbol.asyncDispose]() {
      await broker.end();
      folder[Symbol.dispose]();
    },
  };
}

/** What a command printed that must have succeeded. */
export function done(finished: Finished): string {
  assertEquals(finished.code, 0, finished.stderr);
  return finished.stdout;
}
