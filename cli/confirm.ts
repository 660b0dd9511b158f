/**
 * The question before something is destroyed. Off a terminal nobody can
 * answer, so that `-y` is required there.
 *
 * @module
 */
import type { Call } from "./command.ts";
import { UsageError } from "./failure.ts";
import { isTerminal } from "./terminal.ts";

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
  const prompts = await import("@clack/prompts");
  const answer = await prompts.confirm({
    message: question,
    initialValue: false,
  });
  return answer === true;
}
