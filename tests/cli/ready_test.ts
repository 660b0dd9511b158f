/**
 * How whoever starts a broker learns that it can be used: `--ready-fd`, over
 * real pipes of a real shell.
 *
 * @module
 */
import { assertEquals, assertMatch } from "@std/assert";
import {
  kf,
  kfCommand,
  run,
  type RunOptions,
  temporaryFolder,
} from "../fixtures.ts";

const QUOTED = (words: readonly string[]) =>
  words.map((word) => `'${word}'`).join(" ");

/** Runs a script in which `$KF` is kf, and its broker ends with the shell. */
function shell(script: string, options: RunOptions) {
  const kfFunction = `kf() { exec ${QUOTED(kfCommand())} "$@"; }\n`;
  return run(["bash", "-c", kfFunction + script], options);
}

for (const command of ["broker --listen 127.0.0.1:0", "dev --port auto"]) {
  const [name] = command.split(" ");
  Deno.test(`kf ${name} --ready-fd says its address once it can be used`, async () => {
    using folder = temporaryFolder();
    const { code, stdout, stderr } = await shell(
      `mkfifo ready
      (kf ${command} --data data --ready-fd 3 3>ready 2>log) &
      read -r line <ready
      echo "$line"
      (kf topic create t -b "\${line#READY }" >&2) && echo created
      kill $! && wait $!
      echo "ended $?"`,
      { cwd: folder.path },
    );
    assertEquals(code, 0, stderr);
    assertMatch(
      stdout,
      /^READY (localhost|127\.0\.0\.1):\d+\ncreated\nended 0\n$/,
      stderr,
    );
  });
}

Deno.test("kf broker --ready-fd writes into a file behind what is there", async () => {
  using folder = temporaryFolder();
  const { stdout, stderr } = await shell(
    `echo before >said
    (kf broker --listen 127.0.0.1:0 --data data --ready-fd 3 3>>said 2>log) &
    tail -f --pid=$! said | while read -r line; do
      case $line in READY*) kill $! ;; esac
    done
    wait $!
    cat said`,
    { cwd: folder.path },
  );
  assertMatch(stdout, /^before\nREADY 127\.0\.0\.1:\d+\n$/, stderr);
});

Deno.test("kf broker goes on when nobody reads the pipe of --ready-fd any more", async () => {
  using folder = temporaryFolder();
  const { stdout, stderr } = await shell(
    `mkfifo log
    (kf broker --listen 127.0.0.1:0 --data data --ready-fd 3 2>log) 3> >(:) &
    grep -m1 -o "broker ready" log
    kill $! && wait $!
    echo "ended $?"`,
    { cwd: folder.path },
  );
  assertEquals(stdout, "broker ready\nended 0\n", stderr);
});

Deno.test("a file descriptor that can't be written to is told in one line", async () => {
  using folder = temporaryFolder();
  const options = { cwd: folder.path };
  const args = ["broker", "--data", "data", "--listen", "127.0.0.1:0"];
  const fail = async (...more: string[]) => {
    const { code, stderr } = await kf([...args, ...more], options);
    assertEquals(stderr.trimEnd().split("\n").length, 1, stderr);
    return { code, stderr };
  };
  const closed = await fail("--ready-fd", "77");
  assertEquals(closed.code, 1);
  assertMatch(
    closed.stderr,
    /^kf: Cannot use file descriptor 77: it is not open for writing/,
  );
  const word = await fail("--ready-fd", "three");
  assertEquals(word.code, 2);
  assertMatch(word.stderr, /"three" as a file descriptor/);
  // Closed by the shell, number 3 is a file of the runtime's own.
  for (const given of ["3</dev/null", "3>&-"]) {
    const { code, stderr } = await shell(
      `kf ${args.join(" ")} --ready-fd 3 ${given}`,
      options,
    );
    assertEquals(
      [code, stderr],
      [1, "kf: Cannot use file descriptor 3: it is not open for writing\n"],
    );
  }
});
