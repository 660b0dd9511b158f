/**
 * Runs every scenario beside this file. With `--rewrite`, or `KF_REWRITE` set,
 * the files are rewritten with what really happens: read the difference before
 * it is kept.
 *
 * @module
 */
import { assertEquals } from "@std/assert";
import { replayed } from "./datadriven.ts";
import { GroupCommands } from "./group_commands.ts";
import { TxnCommands } from "./txn_commands.ts";

const folder = new URL("./", import.meta.url);
const isRewrite = Deno.args.includes("--rewrite") ||
  Deno.env.has("KF_REWRITE");

for (const { name } of Deno.readDirSync(folder)) {
  if (!name.endsWith(".txt")) continue;
  Deno.test(`scenario: ${name.slice(0, -4).replaceAll("_", " ")}`, async () => {
    const file = new URL(name, folder);
    const text = Deno.readTextFileSync(file);
    const commands = name.startsWith("txn_")
      ? new TxnCommands()
      : new GroupCommands();
    const actual = await replayed(text, (command) => commands.run(command));
    if (isRewrite) Deno.writeTextFileSync(file, actual);
    else assertEquals(actual, text);
  });
}
