/**
 * Java's properties syntax as `server.properties` uses it.
 *
 * @module
 */
import { assertEquals } from "@std/assert";
import { parseProperties } from "./properties.ts";

Deno.test("parseProperties() reads separators, comments and blanks", () => {
  const text = "# no\n! no\n\n a=1\nb : 2\r\nc 3\nd\n=4\nlast=x\nlast=y";
  assertEquals(
    [...parseProperties(text)],
    [["a", "1"], ["b", "2"], ["c", "3"], ["d", ""], ["", "4"], ["last", "y"]],
  );
});

Deno.test("parseProperties() joins continued lines and unescapes", () => {
  const text =
    "list=a,\\\n   b,\\\n\tc\nk\\ e\\=y=v\\u0041\\t\\\\\npath=a\\\\\nx=1";
  assertEquals(
    [...parseProperties(text)],
    [["list", "a,b,c"], ["k e=y", "vA\t\\"], ["path", "a\\"], ["x", "1"]],
  );
});
