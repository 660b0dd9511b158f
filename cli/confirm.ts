/**
 * The question before something is destroyed. Off a terminal nobody can
 * answer, so that `-y` is required there. It is asked on stderr: stdout is for
 * the answer of the command alone.
 *
 * @module
 */
import type { Call } from "./command.ts";
import { UsageError } from "./failure.ts";
import { isTerminal, openSource, printErr } from "./terminal.ts";

/** Refuses at once where the question can be answered by nobody. */
export function requireAnswer(call: Call, question: string): void {
  if (call.flags.has("yes")) return;
  if (isTerminal.stdin() && isTerminal.stderr()) return;
  throw new UsageError(
    `${question} Nobody can be asked here: add -y, or --dry-run to look first`,
  );
}

/** Whether to go on: `-y`, or a yes on the terminal. */
export async function confirm(call: Call, question: string): Promise<boolean> {
  requireAnswer(call, question);
  if (call.flags.has("yes")) return true;
  printErr(`${question} [y/N] `);
  const source = await openSource("-");
  // The terminal gives whole lines.
  const line = new Uint8Array(4096);
  const length = await source.read(line);
  if (length === null) printErr("\n");
  const answer = new TextDecoder().decode(line.subarray(0, length ?? 0));
  return /^y(es)?$/i.test(answer.trim());
}
