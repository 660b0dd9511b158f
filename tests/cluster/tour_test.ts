/**
 * `kf tour`: it tells its story in a pipe without pauses, on a terminal with
 * some that Enter ends, and leaves nothing behind, after Ctrl-C, too.
 *
 * @module
 */
import { assertEquals, assertMatch } from "@std/assert";
import { HAS_TERMINAL, onTerminal } from "../cli/on_terminal.ts";
import { kf, temporaryFolder, until } from "../fixtures.ts";

function left(folder: string): string[] {
  return [...Deno.readDirSync(folder)].map(({ name }) => name);
}

Deno.test("in a pipe the tour kills a leader, loses nothing and removes all it made", async () => {
  using folder = temporaryFolder();
  const { code, stdout, stderr } = await kf(["tour"], {
    env: { TMPDIR: folder.path },
    timeoutMs: 240_000,
  });
  assertEquals(code, 0, stderr);
  const [, acknowledged, read] =
    /acknowledged +(\d+)\n +read +(\d+)\n +lost +0\n +twice +0\n/.exec(stdout)!;
  assertEquals(read, acknowledged);
  assertMatch(stdout, /broker \d +killed +not in sync/);
  assertEquals(left(folder.path), []);
});

Deno.test({
  name:
    "on a terminal Enter goes on, and Ctrl-C ends the tour with nothing left behind",
  ignore: !HAS_TERMINAL,
  async fn() {
    using folder = temporaryFolder();
    const shown = onTerminal("kf tour", { env: { TMPDIR: folder.path } });
    await until("it waits", () => /Enter goes on/.test(shown.screen()));
    assertEquals(left(folder.path).length, 1);
    await shown.press("\r");
    await until(
      "it goes on",
      () => /2 {2}One topic/.test(shown.screen()),
      90_000,
    );
    await shown.press("\x03");
    assertEquals(await shown.end(), 0);
    assertEquals(left(folder.path), []);
  },
});
