/**
 * An answer that is asked for again each second until SIGINT or SIGTERM, or
 * until nobody reads it: a terminal shows it in one place, a pipe gets it whole
 * whenever it differs from the one before. It never decides what is asked.
 *
 * @module
 */
import { type Answer, renderAnswer } from "./output.ts";
import type { Settings } from "./settings.ts";
import {
  isDumb,
  isTerminal,
  monoMs,
  printErr,
  printOut,
  rows,
  sleep,
  StdoutReaders,
  takeInterrupts,
} from "./terminal.ts";

const REFRESH_MS = 1000;

/** Asks and shows until interrupted; that is its good end. */
export async function watch(
  settings: Settings,
  ask: () => Promise<Answer>,
): Promise<void> {
  const interrupts = takeInterrupts();
  const { signal } = interrupts;
  const interrupted = new Promise<undefined>((resolve) =>
    signal.addEventListener("abort", () => resolve(undefined))
  );
  const isPainted = isTerminal.stdout() && !isDumb() &&
    settings.format === "text";
  const show = isPainted ? painter() : printer(settings);
  const readers = new StdoutReaders();
  try {
    while (!signal.aborted && !readers.haveGone()) {
      const startMs = monoMs();
      // Whoever wants to leave does not wait for a slow broker.
      const answer = await Promise.race([ask(), interrupted]);
      if (answer === undefined) return;
      show(await renderAnswer(answer, settings), answer);
      await sleep(Math.max(0, startMs + REFRESH_MS - monoMs()), signal);
    }
  } finally {
    interrupts.release();
  }
}

type Show = (text: string, answer: Answer) => void;

/** Prints what has changed; a blank line parts blocks of several lines. */
function printer({ format, isQuiet }: Settings): Show {
  let last: string | undefined;
  let isFirst = true;
  return (text, { changesWith = text, whenEmpty = "" }) => {
    if (changesWith === last) return;
    last = changesWith;
    if (text === "") {
      if (!isQuiet) printErr(`${whenEmpty}\n`);
      return;
    }
    printOut(isFirst || format === "json" ? text : `\n${text}`);
    isFirst = false;
  };
}

/** Paints over the last picture, without wrapping, as far as the screen goes. */
function painter(): Show {
  let isFirst = true;
  return (text, { whenEmpty = "" }) => {
    const lines = (text === "" ? whenEmpty : text.trimEnd()).split("\n");
    const shown = lines.length < rows() ? lines : [
      ...lines.slice(0, Math.max(0, rows() - 2)),
      `… ${lines.length - Math.max(0, rows() - 2)} more`,
    ];
    const picture = shown.map((line) => `${line}\x1b[K\n`).join("");
    const before = isFirst ? "\x1b[2J" : "";
    printOut(`${before}\x1b[H\x1b[?7l${picture}\x1b[J\x1b[?7h`);
    isFirst = false;
  };
}
