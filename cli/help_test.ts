/**
 * How the help fits its place.
 *
 * @module
 */
import { assertEquals } from "@std/assert";
import { COMMANDS, FAMILIES } from "./commands.ts";
import { helpText } from "./help.ts";

Deno.test("helpText() breaks lines that the terminal has no room for, and no words", () => {
  const families = Object.keys(FAMILIES).map((name) => [name]);
  const commands = COMMANDS.map(({ path }) => path.split(" "));
  for (const route of [[], ...families, ...commands]) {
    const whole = helpText(route, Infinity);
    for (const columns of [40, 61, 80, 120]) {
      const text = helpText(route, columns);
      // A word, or what is quoted, may be longer than the line.
      const wide = text.replace(/'[^'\n]*'/g, "").split("\n").filter((line) =>
        line.length > columns && / /.test(line.trim())
      );
      assertEquals(wide, []);
      const plain = (shown: string) =>
        shown.replace(/ \\\n/g, "\n").replace(/\s+/g, "");
      assertEquals(plain(text), plain(whole));
    }
  }
});
