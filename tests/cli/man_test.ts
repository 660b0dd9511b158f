/**
 * The manual page as roff sees it.
 *
 * @module
 */
import { assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { hasProgram, kf, run } from "../fixtures.ts";

Deno.test("man names every command and has no character that roff can't take", async () => {
  const { code, stdout } = await kf(["man"]);
  assertEquals(code, 0);
  assertMatch(stdout, /^\.TH KF 1/);
  // deno-lint-ignore no-control-regex
  assertMatch(stdout, /^[\x00-\x7f]*$/);
  const { stdout: json } = await kf(["--help-json"]);
  for (const { path } of JSON.parse(json).commands) {
    assertStringIncludes(stdout, `.SS kf ${path}`.replaceAll("-", "\\-"));
  }
});

Deno.test({
  name: "groff sets the manual page without a warning",
  ignore: !hasProgram("groff", "--version"),
  async fn() {
    const { stdout } = await kf(["man"]);
    const set = await run(
      ["groff", "-man", "-Tascii", "-ww", "-Wbreak", "-P-cbou"],
      { stdin: stdout },
    );
    assertEquals([set.code, set.stderr], [0, ""]);
    assertStringIncludes(set.stdout, "kf consume nums -o -10 -e -f '%p %o %k");
    assertStringIncludes(set.stdout, "\\n'");
  },
});
