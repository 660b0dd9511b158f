/**
 * What a person reads step by step: paragraphs, pauses that Enter cuts short,
 * and a picture that changes in its place. Off a terminal nothing waits, and a
 * picture is printed when it differs. It knows nothing of what is shown.
 *
 * @module
 */
import {
  columns,
  isDumb,
  isTerminal,
  type Keys,
  monoMs,
  printOut,
  sleep,
  takeKeys,
} from "./terminal.ts";

const WIDTH_MAX = 78;
const INDENT = "  ";
const NO_BREAK = "\u00a0";
const LOOK_MS = 150;
/** How fast people read, and the least that they are given. */
const MS_PER_WORD = 280;
const PAUSE_MS_MIN = 2_500;

/** How a {@linkcode Stage} behaves. */
export interface StageOptions {
  readonly isColored: boolean;
  /** Whether there are pauses. */
  readonly isPaced: boolean;
  /** Ends every wait, which throws then. */
  readonly signal: AbortSignal;
}

/** Thrown by whatever waits when somebody has had enough. */
export class Interrupted extends Error {
  override readonly name = "Interrupted";
}

/** Where a story is told. */
export class Stage {
  readonly #options: StageOptions;
  readonly #isPainted = isTerminal.stdout() && !isDumb();
  /** Undefined: there are no pauses. */
  readonly #keys: Keys | undefined;
  #onEnter: (() => void) | undefined;
  #words = 0;

  constructor(options: StageOptions) {
    this.#options = options;
    if (!options.isPaced || !this.#isPainted || !isTerminal.stdin()) return;
    // What is typed meanwhile must not move the picture, nor count later.
    this.#keys = takeKeys((typed) => {
      if (/[\r\n]/.test(typed)) this.#onEnter?.();
    });
  }

  /** Gives the terminal back. */
  close(): void {
    this.#keys?.release();
  }

  /** A heading. */
  title(text: string): void {
    const { isColored } = this.#options;
    printOut(`${isColored ? `\x1b[1m${text}\x1b[22m` : text}\n\n`);
  }

  /** A paragraph, in lines that fit; a no-break space is never a line's end. */
  say(sentences: string): void {
    const width = Math.min(columns(), WIDTH_MAX) - INDENT.length;
    const words = sentences.split(" ");
    this.#words += words.length;
    let line = "";
    const lines: string[] = [];
    for (const word of words) {
      if (line !== "" && line.length + 1 + word.length > width) {
        lines.push(line);
        line = word;
      } else line += line === "" ? word : ` ${word}`;
    }
    const text = [...lines, line].map((each) => `${INDENT}${each}\n`).join("");
    printOut(`${text.replaceAll(NO_BREAK, " ")}\n`);
  }

  /** Lines as they are. */
  show(lines: readonly string[]): void {
    printOut(`${lines.map((line) => `${INDENT}${line}\n`).join("")}\n`);
  }

  /** Gives as much time as what was said takes to read; Enter ends it. */
  async pause(): Promise<void> {
    const ms = Math.max(PAUSE_MS_MIN, this.#words * MS_PER_WORD);
    this.#words = 0;
    this.#throwInterrupted();
    if (this.#keys === undefined) return;
    const prompt = `${INDENT}Enter goes on`;
    const { isColored, signal } = this.#options;
    printOut(isColored ? `\x1b[2m${prompt}\x1b[22m` : prompt);
    const over = new AbortController();
    this.#onEnter = () => over.abort();
    await sleep(ms, AbortSignal.any([over.signal, signal]));
    this.#onEnter = undefined;
    printOut("\r\x1b[K");
    this.#throwInterrupted();
  }

  /**
   * Shows a picture, again and again, until it says that it is done, or throws
   * once `timeoutMs` is over.
   */
  async watch(
    look: () => Promise<
      { readonly lines: readonly string[]; readonly isDone: boolean }
    >,
    { what, timeoutMs }: { readonly what: string; readonly timeoutMs: number },
  ): Promise<void> {
    const deadlineMs = monoMs() + timeoutMs;
    let shown: readonly string[] = [];
    for (;;) {
      this.#throwInterrupted();
      const { lines, isDone } = await look();
      const isNew = lines.join("\n") !== shown.join("\n");
      if (this.#isPainted || isDone) {
        if (isNew) this.#paint(lines, shown.length);
        shown = lines;
      }
      if (isDone) break;
      if (monoMs() > deadlineMs) {
        throw new Error(`Cannot go on: waited in vain until ${what}`);
      }
      await sleep(LOOK_MS, this.#options.signal);
    }
    printOut("\n");
  }

  #paint(lines: readonly string[], before: number): void {
    const width = this.#isPainted ? columns() - 1 : Infinity;
    const up = before > 0 ? `\x1b[${before}A` : "";
    const clear = this.#isPainted ? "\x1b[K" : "";
    printOut(
      up +
        lines.map((line) => `${INDENT}${line}`.slice(0, width) + `${clear}\n`)
          .join(""),
    );
  }

  #throwInterrupted(): void {
    if (this.#options.signal.aborted) throw new Interrupted("interrupted");
  }
}
