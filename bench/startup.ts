/**
 * How long `kf broker` takes until it accepts, on an empty and on an existing
 * folder, and what it holds in memory when idle. Prints medians; asserts
 * nothing. Linux only: memory comes from `/proc`.
 *
 * @module
 */

const MAIN = new URL("../cli/main.ts", import.meta.url).pathname;
const RUNS = 10;
const IDLE_MS = 2000;

interface Start {
  readonly readyMs: number;
  readonly idleMb: number;
}

async function accepts(port: number): Promise<void> {
  using connection = await Deno.connect({ hostname: "127.0.0.1", port });
  // ApiVersions v0, correlation id 1, no client id: answered only by a live broker.
  await connection.write(
    new Uint8Array([0, 0, 0, 10, 0, 18, 0, 0, 0, 0, 0, 1, 255, 255]),
  );
  await connection.read(new Uint8Array(4));
}

async function start(data: string, idleMs: number): Promise<Start> {
  const began = performance.now();
  const child = new Deno.Command(Deno.execPath(), {
    args: [
      "run",
      "-A",
      MAIN,
      "broker",
      "--data",
      data,
      "--listen",
      "127.0.0.1:0",
    ],
    stdin: "null",
    stdout: "null",
    stderr: "piped",
  }).spawn();
  const reader = child.stderr.pipeThrough(new TextDecoderStream()).getReader();
  let text = "";
  let port: string | undefined;
  while (port === undefined) {
    const { value, done } = await reader.read();
    if (done) throw new Error(`kf broker ended: ${text}`);
    text += value;
    port = /127\.0\.0\.1:(\d+)/.exec(text)?.[1];
  }
  await accepts(Number(port));
  const readyMs = performance.now() - began;
  await new Promise((resolve) => setTimeout(resolve, idleMs));
  const status = Deno.readTextFileSync(`/proc/${child.pid}/status`);
  const idleMb = Number(/VmRSS:\s+(\d+) kB/.exec(status)![1]) / 1024;
  child.kill("SIGTERM");
  while (!(await reader.read()).done);
  await child.status;
  return { readyMs, idleMb };
}

function median(values: number[]): number {
  return values.toSorted((a, b) => a - b)[values.length >> 1]!;
}

function print(line: string): void {
  Deno.stdout.writeSync(new TextEncoder().encode(line + "\n"));
}

const folder = await Deno.makeTempDir({ prefix: "kf-startup-" });
try {
  await start(`${folder}/warm`, 0);
  const fresh: Start[] = [];
  for (let i = 0; i < RUNS; i++) fresh.push(await start(`${folder}/${i}`, 0));
  const again: Start[] = [];
  for (let i = 0; i < RUNS; i++) again.push(await start(`${folder}/warm`, 0));
  const idle = await start(`${folder}/warm`, IDLE_MS);
  print(
    `ready on an empty folder     ${
      median(fresh.map((run) => run.readyMs)).toFixed(0)
    } ms (median of ${RUNS})`,
  );
  print(
    `ready on an existing folder  ${
      median(again.map((run) => run.readyMs)).toFixed(0)
    } ms (median of ${RUNS})`,
  );
  print(`idle memory                  ${idle.idleMb.toFixed(0)} MB RSS`);
} finally {
  await Deno.remove(folder, { recursive: true });
}
