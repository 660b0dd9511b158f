/**
 * Telling the files of a log while someone else changes them.
 *
 * @module
 */
import { assertEquals } from "@std/assert";
import { dumpLog } from "../log.ts";

Deno.test("a file that a running broker deletes meanwhile is passed over", () => {
  const folder = Deno.makeTempDirSync({ prefix: "kf-log-" });
  try {
    for (const name of ["a", "b", "c"]) {
      Deno.mkdirSync(`${folder}/${name}`);
      const path = `${folder}/${name}/leader-epoch-checkpoint`;
      Deno.writeTextFileSync(path, "0\n1\n7 42\n");
    }
    Deno.writeFileSync(
      `${folder}/b/00000000000000000000.log`,
      new Uint8Array(),
    );
    const rows = dumpLog([folder], { verify: true });
    Deno.removeSync(`${folder}/b`, { recursive: true });
    assertEquals(
      [...rows].map(({ file, kind }) => [file.slice(folder.length), kind]),
      [
        ["/a/leader-epoch-checkpoint", "epoch"],
        ["/c/leader-epoch-checkpoint", "epoch"],
      ],
    );
  } finally {
    Deno.removeSync(folder, { recursive: true });
  }
});
