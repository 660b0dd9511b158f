/**
 * Rows for people: a table that is never wider than the terminal. It must
 * neither print anything nor cut what tells one row from another.
 *
 * @module
 */

/** What stands in rows and columns; nothing in it drives a terminal. */
export interface Grid {
  readonly columns: readonly string[];
  readonly rows: readonly (readonly string[])[];
  /** Columns of numbers, which stand at the right and are never cut. */
  readonly isNumeric: readonly boolean[];
}

/** How {@linkcode gridText} may look. */
export interface GridOptions {
  readonly isColored: boolean;
  /** Room in a line; `Infinity` where nothing need fit. */
  readonly width: number;
}

const GAP = 2;
/** What is cut shows so much at least, and at least a half. */
const CUT_MIN = 12;

/**
 * The rows as lines: a table; with cells cut where that makes it fit;
 * otherwise each row as lines of name and value.
 */
export async function gridText(
  grid: Grid,
  options: GridOptions,
): Promise<string> {
  const widths = fit(grid, options.width);
  return widths === undefined
    ? stacked(grid, options)
    : await table(grid, { ...options, widths });
}

/** The widths of the columns; `undefined` when even cut ones don't fit. */
function fit(
  { columns, rows, isNumeric }: Grid,
  width: number,
): number[] | undefined {
  const widths = columns.map((name, i) =>
    Math.max(widthOf(name), ...rows.map((row) => widthOf(row[i]!)))
  );
  const least = widths.map((each, i) =>
    // The first column says which row it is.
    i === 0 || isNumeric[i] ? Infinity : Math.max(CUT_MIN, each / 2)
  );
  let excess = widths.reduce((sum, each) => sum + GAP + each, -GAP) - width;
  for (; excess > 0; excess--) {
    const most = Math.max(...widths.filter((each, i) => each > least[i]!));
    if (most < 0) return undefined;
    widths[widths.findIndex((w, i) => w === most && w > least[i]!)]!--;
  }
  return widths;
}

async function table(
  { columns, rows, isNumeric }: Grid,
  { isColored, widths }: GridOptions & { readonly widths: readonly number[] },
): Promise<string> {
  const { default: Table } = await import("cli-table3");
  const none = "";
  const view = new Table({
    head: columns.map((name) => titled(name, isColored)),
    colWidths: widths.map((width) => width + GAP),
    style: {
      // The library asks the environment, CI among it, whether to colour.
      head: [],
      border: [],
      "padding-left": 0,
      "padding-right": GAP,
    },
    chars: {
      "top": none,
      "top-mid": none,
      "top-left": none,
      "top-right": none,
      "bottom": none,
      "bottom-mid": none,
      "bottom-left": none,
      "bottom-right": none,
      "left": none,
      "left-mid": none,
      "mid": none,
      "mid-mid": none,
      "right": none,
      "right-mid": none,
      "middle": none,
    },
    colAligns: isNumeric.map((is) => is ? "right" : "left"),
  });
  for (const row of rows) view.push([...row]);
  return view.toString().replace(/[ ]+$/gm, "") + "\n";
}

/** Each row as lines, rows apart. */
function stacked({ columns, rows }: Grid, { isColored }: GridOptions): string {
  const width = Math.max(...columns.map(widthOf)) + GAP;
  return rows.map((row) =>
    columns.map((name, i) => {
      const gap = " ".repeat(width - widthOf(name));
      return `${titled(name, isColored)}${gap}${row[i]!}`.trimEnd() + "\n";
    }).join("")
  ).join("\n");
}

function titled(name: string, isColored: boolean): string {
  const title = name.toUpperCase();
  return isColored ? `\x1b[1m${title}\x1b[22m` : title;
}

/** What takes two columns: scripts of the East and pictures. */
const WIDE =
  /[\u1100-\u115f\u2e80-\u303e\u3041-\ua4cf\uac00-\ud7a3\uf900-\ufaff\ufe30-\ufe6f\uff00-\uff60\uffe0-\uffe6\u{20000}-\u{3fffd}]|\p{Emoji_Presentation}/u;
const NARROW = /^[\x20-\x7e]*$/;

/** Columns that a text takes on a terminal. */
function widthOf(text: string): number {
  if (NARROW.test(text)) return text.length;
  let width = 0;
  for (const char of text) {
    width += /\p{M}|\p{Cf}/u.test(char) ? 0 : WIDE.test(char) ? 2 : 1;
  }
  return width;
}
