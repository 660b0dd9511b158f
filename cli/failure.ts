/**
 * How a command fails: the exit codes and the sentences that go with them. It
 * must never print; `main.ts` does.
 *
 * @module
 */

/** Wrong use of the command line: exit code 2. */
export class UsageError extends Error {
  override readonly name = "UsageError";
}

/** A command that has said why itself, item by item: exit code 1. */
export class ItemsFailed extends Error {
  override readonly name = "ItemsFailed";
}

/** The exit code for what a command threw. */
export function exitCodeOf(error: unknown): number {
  if (!(error instanceof Error)) return 1;
  if (error.name === "BrokenPipe") return 0;
  if (error.name === "UsageError") return 2;
  return isInvalidConfig(error) ? 2 : 1;
}

/** One line for people: the sentence, and Kafka's name of the error. */
export function sentenceOf(error: unknown): string {
  if (!(error instanceof Error)) return plain(String(error));
  const kafka = stepOf(error) === undefined ? kafkaName(error) : undefined;
  const text = plain(ofSystem(error.message) ?? (error.message || error.name));
  const named = kafka === undefined || text.includes(kafka)
    ? text
    : `${text} (${kafka})`;
  if (kafka?.endsWith("_AUTHORIZATION_FAILED")) {
    return `${named}. The cluster's ACLs do not allow it: ask whoever runs it`;
  }
  return kafka === "LEADER_NOT_AVAILABLE"
    ? `${named}. The brokers that have it are down: see kf cluster health`
    : named;
}

const REMEDIES: Readonly<Record<string, string>> = {
  dns: "Check the name, or give another address with -b",
  tcp: "Start a broker there (kf broker), or give another address with -b",
  late: "Check the address, or wait longer with --timeout",
};

/** The sentence about what ended a command, and what to do about it. */
export function adviceOf(error: unknown): string {
  const sentence = sentenceOf(error);
  const step = error instanceof Error ? stepOf(error) : undefined;
  const isLate = kafkaName(error) === "REQUEST_TIMED_OUT";
  // The sentence about an advertised address says itself what to do.
  if (step === undefined || step === "advertised") return sentence;
  const remedy = REMEDIES[isLate ? "late" : step];
  if (remedy === undefined) return sentence;
  return `${sentence}${/[.?!]$/.test(sentence) ? "" : "."} ${remedy}`;
}

/** The step at which a connection failed. */
function stepOf(error: Error): string | undefined {
  return "step" in error && typeof error.step === "string"
    ? error.step
    : undefined;
}

/** What others named must not drive a terminal. */
function plain(text: string): string {
  return text.replace(
    /[^\P{Cc}\n]/gu,
    (char) => `\\x${char.charCodeAt(0).toString(16).padStart(2, "0")}`,
  );
}

/** A system call's failure, as the runtime words it, with what failed first. */
function ofSystem(message: string): string | undefined {
  const match = /^(.+) \(os error \d+\): (\w+) '(.+)'$/s.exec(message);
  if (match === null) return undefined;
  const [, why, call, path] = match as unknown as string[];
  return `Cannot ${call} "${path}": ${why![0]!.toLowerCase()}${why!.slice(1)}`;
}

/** Kafka's name of the error, when it has one. */
function kafkaName(error: unknown): string | undefined {
  if (!(error instanceof Error && error.name === "KafkaError")) return;
  return "error" in error && typeof error.error === "string"
    ? error.error
    : undefined;
}

function isInvalidConfig(error: Error): boolean {
  return kafkaName(error) === "INVALID_CONFIG";
}
