/**
 * A terminal for tests, which `script` stands in for: what a line of the shell
 * shows on it, and keys for it. Asserts nothing.
 *
 * @module
 */
import { hasProgram, kfCommand } from "../fixtures.ts";

/** Whether there can be one. */
export const HAS_TERMINAL: boolean = hasProgram("script", "--version");

/** How {@linkcode onTerminal} runs a line. */
export interface TerminalOptions {
  readonly rows?: number;
  readonly cwd?: string;
  readonly env?: Record<string, string>;
}

/** A line of the shell on a terminal of its own. */
export interface OnTerminal {
  /** All that it has shown, with what moves the cursor. */
  screen(): string;
  press(keys: string): Promise<void>;
  /** Waits for the end; gives the exit code. */
  end(): Promise<number>;
}

/** Runs a line of `bash`, in which `kf` is this one. */
export function onTerminal(
  line: string,
  options: TerminalOptions = {},
): OnTerminal {
  const { rows = 30, cwd, env } = options;
  const words = kfCommand().map((word) => `'${word}'`).join(" ");
  const child = new Deno.Command("script", {
    args: ["-qefc", 'exec bash -c "$KF_LINE"', "/dev/null"],
    env: {
      ...env,
      KF_LINE: `stty cols 100 rows ${rows}; kf() { ${words} "$@"; }; ${line}`,
    },
    ...(cwd ? { cwd } : {}),
    stdin: "piped",
    stdout: "piped",
    stderr: "null",
  }).spawn();
  const keys = child.stdin.getWriter();
  let screen = "";
  const reading = (async () => {
    const text = child.stdout.pipeThrough(new TextDecoderStream());
    for await (const chunk of text) screen += chunk;
  })();
  return {
    screen: () => screen,
    press: (text) => keys.write(new TextEncoder().encode(text)),
    async end() {
      const { code } = await child.status;
      await reading;
      await keys.close().catch(() => {});
      return code;
    },
  };
}
