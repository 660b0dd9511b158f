/**
 * A newcomer's first hour: every command of the README that a shell can take,
 * as it stands there, in its order, in one folder.
 *
 * @module
 */
import { assert, assertEquals } from "@std/assert";
import { MAIN, run, startBrokerProcess, temporaryFolder } from "../fixtures.ts";

const README = new URL("../../README.md", import.meta.url);

/** Lines that start what runs until it is stopped, and those for elsewhere. */
const NOT_HERE = /^(kf broker|npm|npx|deno|export)\b|kcat/;
/** Goes on for as long as its terminal is there. */
const ENDLESS = "kf consume --group g";

const FILES = {
  "file": "one\ntwo\n",
  "people.txt": "ann:1\nbob:2\nann:3\n",
  "topics.yaml": "topics:\n  made:\n    partitions: 2\n",
};

function commandsOf(text: string): string[] {
  return [...text.matchAll(/^```sh\n([^]*?)^```$/gm)]
    .flatMap(([, block]) => block!.split("\n"))
    .filter((line) => line !== "" && !NOT_HERE.test(line));
}

Deno.test("every command of the README does what a newcomer expects", async () => {
  const commands = commandsOf(Deno.readTextFileSync(README));
  const tour = commands.join("\n");
  for (const part of ["topic describe", "group lag", "log dump"]) {
    assert(tour.includes(`kf ${part} `), part);
  }
  using folder = temporaryFolder();
  const cwd = folder.path;
  for (const [name, text] of Object.entries(FILES)) {
    Deno.writeTextFileSync(`${cwd}/${name}`, text);
  }
  Deno.mkdirSync(`${cwd}/bin`);
  Deno.writeTextFileSync(
    `${cwd}/bin/kf`,
    `#!/bin/sh\nexec "${Deno.execPath()}" run -A --no-lock "${MAIN}" "$@"\n`,
    { mode: 0o755 },
  );
  await using broker = await startBrokerProcess({ data: `${cwd}/kf-data` });
  const env = {
    PATH: `${cwd}/bin:${Deno.env.get("PATH")}`,
    XDG_CONFIG_HOME: cwd,
    KF_BROKERS: "",
  };
  const sh = (line: string) => run(["bash", "-c", line], { cwd, env });
  // In the place of the default address, so that the tour may change it.
  const here = await sh(`kf profile create tour -b ${broker.address}`);
  assertEquals(here.code, 0, here.stderr);
  for (const line of commands) {
    const isEndless = line.startsWith(ENDLESS);
    const command = (isEndless ? line.replace(ENDLESS, `${ENDLESS} -e`) : line)
      .replaceAll("localhost:9092", broker.address);
    const done = await sh(command);
    assertEquals(done.code, 0, `${line}\n${done.stderr}`);
    if (isEndless) assertEquals(done.stdout, FILES["file"]);
  }
});
