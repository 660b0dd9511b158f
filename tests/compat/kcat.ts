/**
 * kcat, asked for each capability. Owns its command lines and nothing else; it
 * must never work around what kf does differently from Kafka.
 *
 * @module
 */
import { assertEquals, assertStringIncludes } from "@std/assert";
import { run } from "../fixtures.ts";
import {
  BEYOND_OFFSET,
  type Capability,
  type Client,
  type Codec,
  codecOf,
  COMMITTED_OFFSET,
  COMMITTED_OFFSETS,
  COUNT,
  NotOffered,
  SOUGHT_MS,
  SOUGHT_OFFSET,
  TOO_LARGE,
} from "./capabilities.ts";
import { joinWithProgram, propertiesOf } from "./group.ts";

const EARLIEST = ["-X", "auto.offset.reset=earliest"];
const FORMAT = ["-f", "%k|%s|%h\\n"];

/** Its version, or why there is none. */
export async function kcatClient(): Promise<Client> {
  const found = await run(["sh", "-c", "kcat -V"]);
  const version = /Version (\S+).*librdkafka (\S+)/.exec(found.stdout);
  return {
    name: "kcat",
    lacks: { uniform: "has classic groups only" },
    version: version ? `${version[1]} (librdkafka ${version[2]})` : "",
    ...(version ? {} : { missing: "kcat is not installed" }),
    connect: (bootstrap) => ({
      async probe(capability) {
        const [written, read] = (["produce", "consume"] as const)
          .map((verb) => codecOf(verb, capability));
        const kcat = (...args: string[]) => call(bootstrap, args);
        if (written) await produce(bootstrap, written);
        else if (read) await consume(kcat, read);
        else await PROBES[capability as keyof typeof PROBES](kcat, bootstrap);
      },
      [Symbol.asyncDispose]: () => Promise.resolve(),
    }),
    join: ({ bootstrap, topic, clientId, assignor }) =>
      joinWithProgram([
        ...["kcat", "-b", bootstrap, "-G", topic, "-u", "-q", ...EARLIEST],
        ...["-X", `client.id=${clientId}`],
        ...propertiesOf(assignor).flatMap((property) => ["-X", property]),
        ...["-f", "%p %o\\n", topic],
      ]),
  };
}

function noAdmin(): Promise<void> {
  return Promise.reject(new NotOffered("has no admin operations"));
}

type Kcat = (...args: string[]) => Promise<string>;

const PROBES = {
  "connect": connect,
  "create a topic": noAdmin,
  "change a topic": noAdmin,
  "delete a topic": noAdmin,
  "list, describe and delete groups": noAdmin,
  "commit a transaction": (_, bootstrap) =>
    send(bootstrap, "write-committed", ["-X", "transactional.id=kcat"]),
  "abort a transaction": () =>
    Promise.reject(new NotOffered("commits what it was given")),
  "commit offsets in a transaction": () =>
    Promise.reject(new NotOffered("does one thing at a time")),
  "read committed records only": readCommitted,
  "delete records": noAdmin,
  "produce idempotently": (_, bootstrap) =>
    send(bootstrap, "write-idempotent", ["-X", "enable.idempotence=true"]),
  "seek by time": seekByTime,
  "commit and resume": commit,
  "fail on an unknown topic": unknownTopic,
  "fail on a message too large": tooLarge,
  "start over when the offset is out of range": startOver,
} satisfies Partial<
  Record<Capability, (kcat: Kcat, bootstrap: string) => Promise<void>>
>;

function start(bootstrap: string, args: string[], stdin?: string) {
  const command = ["kcat", "-b", bootstrap, ...args];
  return run(command, stdin === undefined ? {} : { stdin });
}

/** Runs kcat to its good end; gives what it printed. */
async function call(
  bootstrap: string,
  args: string[],
  stdin?: string,
): Promise<string> {
  const { code, stdout, stderr } = await start(bootstrap, args, stdin);
  assertEquals(code, 0, `kcat ${args.join(" ")}: ${stderr}`);
  return stdout;
}

async function connect(kcat: Kcat): Promise<void> {
  assertStringIncludes(await kcat("-L"), "1 brokers:");
}

function lines(print: (i: number) => string): string {
  return Array.from({ length: COUNT }, (_, i) => `${print(i)}\n`).join("");
}

async function send(
  bootstrap: string,
  topic: string,
  options: string[],
): Promise<void> {
  const to = ["-P", "-t", topic, "-p", "0", "-K", "|", ...options];
  // One batch: a lone record is not compressed when that makes it no smaller.
  const together = ["-X", "linger.ms=500"];
  const input = lines((i) => `k${i}|value ${i}`);
  await call(bootstrap, [...to, ...together, "-H", "h=v"], input);
}

function produce(bootstrap: string, codec: Codec): Promise<void> {
  return send(bootstrap, `write-${codec}`, ["-z", codec]);
}

async function consume(kcat: Kcat, codec: Codec): Promise<void> {
  const read = await kcat("-C", "-q", "-e", "-t", `read-${codec}`, ...FORMAT);
  assertEquals(read, lines((i) => `k${i}|value ${i}|h=v`));
}

async function readCommitted(kcat: Kcat): Promise<void> {
  const read = await kcat("-C", "-q", "-e", "-t", "settled", "-f", "%o\\n");
  assertEquals(read, COMMITTED_OFFSETS.map((each) => `${each}\n`).join(""));
}

async function seekByTime(kcat: Kcat): Promise<void> {
  const from = ["-C", "-q", "-t", "times", "-c", "1", "-o", `s@${SOUGHT_MS}`];
  assertEquals(await kcat(...from), `value ${SOUGHT_OFFSET}\n`);
}

async function commit(kcat: Kcat): Promise<void> {
  const member = ["-G", "committing", "-q", ...EARLIEST, "-f", "%o\\n"];
  const count = `${COMMITTED_OFFSET}`;
  await kcat(...member, "-c", count, "read-none");
  const keep = ["-X", "enable.auto.offset.store=false"];
  const next = await kcat(...member, ...keep, "-c", "1", "read-none");
  assertEquals(next, `${count}\n`);
}

/** What kcat says when it must fail. */
async function complaint(
  bootstrap: string,
  topic: string,
  message: string,
): Promise<string> {
  // Else an unknown topic is waited for.
  const patience = ["-X", "topic.metadata.propagation.max.ms=0"];
  const to = ["-P", "-t", topic, ...patience];
  const { code, stderr } = await start(bootstrap, to, message);
  assertEquals(code, 1, stderr);
  return stderr;
}

async function unknownTopic(_: Kcat, bootstrap: string): Promise<void> {
  const said = await complaint(bootstrap, "nowhere", "x");
  assertStringIncludes(said, "Unknown topic");
}

async function tooLarge(_: Kcat, bootstrap: string): Promise<void> {
  const said = await complaint(bootstrap, "narrow", "x".repeat(TOO_LARGE));
  assertStringIncludes(said, "Message size too large");
}

async function startOver(kcat: Kcat): Promise<void> {
  const from = ["-C", "-q", "-t", "read-none", "-o", `${BEYOND_OFFSET}`];
  const read = await kcat(...from, ...EARLIEST, "-c", "1", "-f", "%o\\n");
  assertEquals(read, "0\n");
}
