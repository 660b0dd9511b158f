/**
 * The broker of a faulty run: a real process on one port and one data folder,
 * ended and started as the faults want it. Owns when it ended; judges nothing.
 *
 * @module
 */
import { type BrokerProcess, startBrokerProcess, until } from "../fixtures.ts";

const ARGS = [
  ...["-X", "group.initial.rebalance.delay.ms=0"],
  ...["-X", "offsets.topic.num.partitions=3"],
  ...["-X", "log.segment.bytes=1048576"],
];

/** Waits without a condition: faults happen at random times. */
export function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

/** One broker, over all its lives. */
export class Host implements AsyncDisposable {
  readonly data: string;
  readonly #args: readonly string[];
  readonly #under: readonly string[];
  /** When it ended, however. */
  readonly endsMs: number[] = [];
  /** When what wasn't synced was lost. */
  readonly powerLossesMs: number[] = [];
  /** What all its lives printed. */
  printed = "";
  #broker: BrokerProcess | undefined;
  #port = 0;

  constructor(
    data: string,
    { args = [], under = [] }: {
      readonly args?: readonly string[];
      /** A program that it always runs under. */
      readonly under?: readonly string[] | undefined;
    } = {},
  ) {
    this.data = data;
    this.#args = [...ARGS, ...args];
    this.#under = under;
  }

  get address(): string {
    return `127.0.0.1:${this.#port}`;
  }

  /** Starts it, under another program than always if one is given. */
  async start(under = this.#under): Promise<void> {
    this.#broker = await startBrokerProcess({
      data: this.data,
      port: this.#port,
      args: this.#args,
      under,
    });
    this.#port = this.#broker.port;
  }

  /** Ends it; gives the exit code. */
  async end(signal: Deno.Signal): Promise<number> {
    const broker = this.#broker!;
    const code = await broker.end(signal);
    // Not when it was told to: it answers for a while.
    this.endsMs.push(Date.now());
    this.printed += broker.stderr();
    this.#broker = undefined;
    return code;
  }

  /** Ends it unless it has ended by itself, or never ran. */
  async endIfRunning(signal: Deno.Signal): Promise<void> {
    if (this.#broker !== undefined) await this.end(signal);
  }

  /** Holds it still: from here on it tells nobody anything. */
  async hold(): Promise<void> {
    const { pid } = this.#broker!;
    Deno.kill(pid, "SIGSTOP");
    await until("it is stopped", () => stateOf(pid) === "T");
  }

  /** Lets it go on. */
  release(): void {
    Deno.kill(this.#broker!.pid, "SIGCONT");
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.endIfRunning("SIGKILL");
  }
}

/** The letter that Linux says of a process: T is stopped. */
export function stateOf(pid: number): string | undefined {
  const stat = Deno.readTextFileSync(`/proc/${pid}/stat`);
  return stat.slice(stat.lastIndexOf(")") + 2)[0];
}
