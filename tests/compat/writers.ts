/**
 * Clients that write to one topic until they are told to end: kf's, librdkafka's
 * (kcat), Java's, and programs that tell of each record. Each asks for all in-sync replicas, and knows
 * what was acknowledged. Asserts nothing.
 *
 * @module
 */
import { createProducer } from "../../net/client.ts";
import { linesOf, until } from "../fixtures.ts";
import { kafkaTool } from "./apache_kafka.ts";

const PAUSE_MS = 10;

/** One client that writes. */
export interface Writer {
  readonly name: string;
  /** Values that were acknowledged. */
  readonly acked: readonly string[];
  /** Errors that reached the application. */
  readonly failed: readonly string[];
  /** Sends no more; resolves when all has its answer. */
  end(): Promise<void>;
}

/** Where to, and how. */
export interface WriterOptions {
  readonly bootstrap: string;
  readonly topic: string;
  readonly jars: string;
}

/** kf's producer. */
export function kfWriter({ bootstrap, topic }: WriterOptions): Writer {
  const producer = createProducer({
    "bootstrap.servers": bootstrap,
    "metadata.max.age.ms": 1000,
    "reconnect.backoff.max.ms": 200,
  });
  const acked: string[] = [];
  const failed: string[] = [];
  let isOver = false;
  const sent: Promise<void>[] = [];
  const loop = (async () => {
    for (let i = 0; !isOver; i++) {
      const value = `kf ${i}`;
      sent.push(
        producer.send({ topic, value })
          .then(() => void acked.push(value))
          .catch((error) => void failed.push(`${value}: ${error}`)),
      );
      await new Promise((resolve) => setTimeout(resolve, PAUSE_MS));
    }
  })();
  return {
    name: "kf",
    acked,
    failed,
    async end() {
      isOver = true;
      await loop;
      await Promise.all(sent);
      await producer.close();
    },
  };
}

/** kcat; all that it was given counts as acknowledged once it ended well. */
export function kcatWriter({ bootstrap, topic }: WriterOptions): Writer {
  const child = new Deno.Command("kcat", {
    args: [
      ...["-P", "-b", bootstrap, "-t", topic, "-q"],
      ...["-X", "acks=all", "-X", "enable.idempotence=true"],
      ...["-X", "topic.metadata.refresh.interval.ms=1000"],
    ],
    stdin: "piped",
    stdout: "null",
    stderr: "piped",
  }).spawn();
  const complaints = new Response(child.stderr).text();
  const acked: string[] = [];
  const failed: string[] = [];
  const given: string[] = [];
  const writer = child.stdin.getWriter();
  let isOver = false;
  const loop = (async () => {
    for (let i = 0; !isOver; i++) {
      const value = `kcat ${i}`;
      await writer.write(new TextEncoder().encode(`${value}\n`));
      given.push(value);
      await new Promise((resolve) => setTimeout(resolve, PAUSE_MS));
    }
    await writer.close();
  })().catch((error) => void failed.push(`${error}`));
  return {
    name: "kcat",
    acked,
    failed,
    async end() {
      isOver = true;
      await loop;
      const { code } = await child.status;
      const said = await complaints;
      if (code === 0) acked.push(...given);
      // What it says of connections that went is not an application's error.
      else failed.push(`kcat ended with ${code}: ${said.slice(-2000)}`);
    },
  };
}

/** Java's producer, by Kafka's own VerifiableProducer. */
export function javaWriter({ bootstrap, topic, jars }: WriterOptions): Writer {
  // By itself it never tries again.
  const config = Deno.makeTempFileSync();
  Deno.writeTextFileSync(config, "retries=1000000\nenable.idempotence=true\n");
  const [program, ...args] = kafkaTool(jars, "VerifiableProducer", [
    ...["--bootstrap-server", bootstrap, "--topic", topic],
    ...["--throughput", "80", "--acks", "-1", "--command-config", config],
  ]);
  const child = new Deno.Command(program!, {
    args,
    stdin: "null",
    stdout: "piped",
    stderr: "null",
  }).spawn();
  const acked: string[] = [];
  const failed: string[] = [];
  const reading = (async () => {
    for await (const line of linesOf(child.stdout)) {
      const told = JSON.parse(line);
      if (told.name === "producer_send_success") acked.push(told.value);
      if (told.name === "producer_send_error") failed.push(line);
    }
  })();
  return {
    name: "Java",
    acked,
    failed,
    async end() {
      child.kill("SIGTERM");
      await child.status;
      await reading;
      Deno.removeSync(config);
    },
  };
}

/**
 * A program that prints `acked PARTITION OFFSET` or `failed WHY` of each record
 * until SIGTERM; what it has acknowledged is told by these places.
 */
export function programWriter(
  name: string,
  { command: [program, ...args], env }: {
    readonly command: readonly string[];
    readonly env: Readonly<Record<string, string>>;
  },
): Writer {
  const child = new Deno.Command(program!, {
    args,
    env,
    stdin: "null",
    stdout: "piped",
    stderr: "piped",
  }).spawn();
  const complaints = new Response(child.stderr).text();
  const acked: string[] = [];
  const failed: string[] = [];
  const reading = (async () => {
    for await (const line of linesOf(child.stdout)) {
      if (line.startsWith("acked ")) acked.push(line.slice(6));
      else failed.push(line);
    }
  })();
  return {
    name,
    acked,
    failed,
    async end() {
      child.kill("SIGTERM");
      const { code } = await child.status;
      await reading;
      const said = await complaints;
      if (code !== 0) failed.push(`it ended with ${code}: ${said}`);
    },
  };
}

/** Resolves when the writer has `count` more acknowledged. */
export async function more(writer: Writer, count: number): Promise<void> {
  const target = writer.acked.length + count;
  await until(
    `${writer.name} has ${target} acknowledged: ${writer.failed.slice(0, 3)}`,
    () => writer.acked.length >= target,
    60_000,
  );
}
