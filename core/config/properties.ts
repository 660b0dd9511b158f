/**
 * Java properties files: comments, continued lines, escapes. Owns the syntax
 * only; which keys there are is not its business.
 *
 * @module
 */

const ESCAPES: Readonly<Record<string, string>> = {
  t: "\t",
  n: "\n",
  r: "\r",
  f: "\f",
};

/** Keys and values in `text`; the last of equal keys wins. */
export function parseProperties(text: string): Map<string, string> {
  const properties = new Map<string, string>();
  for (const line of logicalLines(text)) {
    const at = keyEnd(line);
    const rest = line.slice(at).replace(/^[ \t\f]*[=:]?[ \t\f]*/, "");
    properties.set(unescape(line.slice(0, at)), unescape(rest));
  }
  return properties;
}

/** Lines without comments and blanks, continued ones joined. */
function* logicalLines(text: string): Generator<string> {
  let joined: string | undefined;
  for (const natural of text.split(/\r\n|\n|\r/)) {
    const line = natural.replace(/^[ \t\f]+/, "");
    if (joined === undefined && (line === "" || /^[#!]/.test(line))) continue;
    const whole: string = (joined ?? "") + line;
    // An odd number of backslashes at the end goes on in the next line.
    const isContinued = /\\*$/.exec(line)![0].length % 2 === 1;
    joined = isContinued ? whole.slice(0, -1) : undefined;
    if (joined === undefined) yield whole;
  }
  if (joined !== undefined && joined !== "") yield joined;
}

function keyEnd(line: string): number {
  for (let at = 0; at < line.length; at++) {
    if (line[at] === "\\") at++;
    else if (/[=: \t\f]/.test(line[at]!)) return at;
  }
  return line.length;
}

function unescape(text: string): string {
  return text.replace(
    /\\(?:u([0-9a-fA-F]{4})|([^]))/g,
    (_, hex: string | undefined, char: string | undefined) =>
      hex !== undefined
        ? String.fromCharCode(Number.parseInt(hex, 16))
        : ESCAPES[char!] ?? char!,
  );
}
