/**
 * Clients of other makes in a faulty run: kcat (librdkafka) and Apache Kafka's
 * VerifiableProducer write, and kcat reads everything in the end. Owns their
 * processes and what they print; judges only whether two readers agree.
 *
 * @module
 */
import { linesOf, run } from "../fixtures.ts";
import type { Anomaly } from "../sim/checker.ts";
import type { History, Send } from "../sim/history.ts";
import { pause } from "./host.ts";
import type { OtherWriter } from "./load.ts";

const EVERY_MS = 10;
/** What Java may have under way when it ends: nobody hears of those. */
const UNHEARD_MAX = 5_000;

function sendOf(
  producer: string,
  { topic, value, partition }: {
    readonly topic: string;
    readonly value: string;
    readonly partition: number;
  },
): Send {
  return {
    producer,
    isIdempotent: true,
    inFlightMax: 5,
    topic,
    value,
    invokeMs: Date.now(),
    transaction: undefined,
    partition,
    ending: "info",
    endMs: Infinity,
    offset: -1,
  };
}

/** Where a writer writes, and what it was told to tell. */
export interface OtherSeat {
  readonly address: string;
  readonly topic: string;
  readonly partition: number;
  readonly history: History;
}

/**
 * kcat writes to one partition and never gives a record up, so that its
 * deliveries come in the order in which it was given them. It ends when it
 * sees no broker at all, and another one takes over.
 */
export class KcatWriter implements OtherWriter {
  readonly name = "kcat";
  readonly isTold = true;
  readonly #running: Promise<void>;
  readonly #seat: OtherSeat;
  #count = 0;
  #isAsked = false;

  constructor(seat: OtherSeat) {
    this.#seat = seat;
    this.#running = this.#run();
  }

  async stop(): Promise<void> {
    this.#isAsked = true;
    await this.#running;
  }

  async #run(): Promise<void> {
    const { address, topic, partition } = this.#seat;
    while (!this.#isAsked) {
      const child = new Deno.Command("kcat", {
        args: [
          ...["-P", "-vvv", "-E", "-b", address],
          ...["-t", topic, "-p", String(partition)],
          ...["-X", "acks=all", "-X", "enable.idempotence=true"],
          ...["-X", "message.timeout.ms=0", "-X", "linger.ms=1"],
          ...["-X", "socket.timeout.ms=5000", "-X", "retries=1000000"],
        ],
        stdin: "piped",
        stdout: "null",
        stderr: "piped",
      }).spawn();
      const sends: Send[] = [];
      await Promise.all([
        this.#write(child.stdin, sends),
        listen(child.stderr, sends),
      ]);
      await child.status;
    }
  }

  async #write(
    stdin: WritableStream<Uint8Array>,
    sends: Send[],
  ): Promise<void> {
    const writer = stdin.getWriter();
    const encoder = new TextEncoder();
    try {
      while (!this.#isAsked) {
        const value = `${this.name}:${this.#count++}`;
        const send = sendOf(this.name, { ...this.#seat, value });
        sends.push(send);
        this.#seat.history.sends.push(send);
        await writer.write(encoder.encode(`${value}\n`));
        await pause(EVERY_MS);
      }
      await writer.close();
    } catch (error) {
      if (!(error instanceof Deno.errors.BrokenPipe)) throw error;
    }
  }
}

/** Notes the deliveries that kcat tells of, in the order of `sends`. */
async function listen(
  stderr: ReadableStream<Uint8Array>,
  sends: readonly Send[],
): Promise<void> {
  let delivered = 0;
  for await (const line of linesOf(stderr)) {
    const found = /Message delivered to partition \d+ \(offset (\d+)\)/
      .exec(line);
    if (found === null) continue;
    const send = sends[delivered++]!;
    send.ending = "ok";
    send.offset = Number(found[1]);
    send.endMs = Date.now();
  }
}

/** Apache Kafka's own producer, by the tool that its system tests use. */
export class JavaWriter implements OtherWriter {
  readonly name = "java";
  readonly isTold = true;
  readonly #child: Deno.ChildProcess;
  readonly #running: Promise<void>;
  readonly #seat: OtherSeat;
  #last = -1;

  constructor(seat: OtherSeat, jars: string) {
    this.#seat = seat;
    this.#child = new Deno.Command("java", {
      args: [
        ...["-Xmx96m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1"],
        ...["-cp", `${jars}/*`, "org.apache.kafka.tools.VerifiableProducer"],
        ...["--bootstrap-server", seat.address, "--topic", seat.topic],
        ...["--acks", "-1", "--throughput", "50", "--value-prefix", "7"],
      ],
      stdin: "null",
      stdout: "piped",
      stderr: "null",
    }).spawn();
    this.#running = this.#listen();
  }

  /** It closes its producer at SIGTERM, which tells of all that it sent. */
  async stop(): Promise<void> {
    this.#child.kill("SIGTERM");
    await this.#running;
    await this.#child.status;
    for (let i = 0; i < UNHEARD_MAX; i++) this.#note(++this.#last);
  }

  #note(number: number): Send {
    const { topic, history } = this.#seat;
    const value = `7.${number}`;
    const send = sendOf(this.name, { topic, value, partition: -1 });
    history.sends.push(send);
    return send;
  }

  async #listen(): Promise<void> {
    const early = new Map<number, Send>();
    for await (const line of linesOf(this.#child.stdout)) {
      const { name, value, partition, offset } = JSON.parse(line);
      if (!/^producer_send_/.test(name)) continue;
      const number = Number(String(value).split(".")[1]);
      while (this.#last < number) {
        this.#last++;
        early.set(this.#last, this.#note(this.#last));
      }
      if (name !== "producer_send_success") continue;
      const send = early.get(number)!;
      early.delete(number);
      Object.assign(send, {
        partition,
        offset,
        ending: "ok",
        endMs: Date.now(),
      });
    }
  }
}

/** Reads everything once more by kcat: it must find what kf's reader found. */
export async function rereadByKcat(
  address: string,
  { logs }: History,
): Promise<Anomaly[]> {
  const anomalies: Anomaly[] = [];
  for (const [name, { records }] of logs) {
    const [, topic, partition] = /^(.*)-(\d+)$/.exec(name)!;
    const { stdout } = await run([
      ...["kcat", "-C", "-e", "-q", "-b", address, "-t", topic!],
      ...["-p", partition!, "-o", "beginning", "-f", "%o %s\\n"],
      ...["-X", "isolation.level=read_committed"],
    ]);
    const found = stdout.split("\n").slice(0, -1);
    const wanted = records.map(({ offset, value }) => `${offset} ${value}`);
    const at = wanted.findIndex((line, i) => line !== found[i]);
    if (at < 0 && found.length === wanted.length) continue;
    const i = at < 0 ? wanted.length : at;
    const what = `${name}: kf reads "${wanted[i]}", kcat "${found[i]}"`;
    anomalies.push({ name: "inconsistent-offsets", what });
  }
  return anomalies.slice(0, 3);
}
