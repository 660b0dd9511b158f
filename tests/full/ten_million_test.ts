/**
 * Ten million lines through the shell: `seq | kf produce`, then
 * `kf consume -e | sha256sum`, with the peak memory of each process, and
 * `| head -3` on the same topic. Linux only: peaks come from `/proc`.
 *
 * @module
 */
import { assert, assertEquals } from "@std/assert";
import {
  kfCommand,
  run,
  startBrokerProcess,
  temporaryFolder,
} from "../fixtures.ts";

const LINES = 10_000_000;
const PEAK_KB_MAX = 200 * 1024;

/** Runs a pipeline in a shell; `{kf}` runs kf and leaves its peak in `file`. */
async function pipeline(
  script: string,
  folder: string,
): Promise<{ stdout: string; stderr: string; code: number }> {
  const done = await run(["bash", "-c", `set -o pipefail; ${script}`], {
    cwd: folder,
    timeoutMs: 240_000,
  });
  return done;
}

/** Shell words that run kf and leave its process id in a file. */
function named(name: string, ...args: string[]): string {
  const words = kfCommand(...args).map((word) => `'${word}'`).join(" ");
  return `(echo $BASHPID > ${name}.pid; exec ${words})`;
}

/** The largest `VmHWM` that was seen of the process named in a file. */
class Peak {
  kb = 0;
  readonly #path: string;
  readonly #timer: ReturnType<typeof setInterval>;

  constructor(folder: string, name: string) {
    this.#path = `${folder}/${name}.pid`;
    this.#timer = setInterval(() => this.#look(), 20);
  }

  #look(): void {
    try {
      const pid = Number(Deno.readTextFileSync(this.#path));
      this.kb = Math.max(this.kb, peakKb(pid));
    } catch {
      // not started yet, or gone
    }
  }

  stop(): number {
    clearInterval(this.#timer);
    return this.kb;
  }
}

function peakKb(pid: number): number {
  const status = Deno.readTextFileSync(`/proc/${pid}/status`);
  return Number(/VmHWM:\s+(\d+) kB/.exec(status)?.[1] ?? 0);
}

Deno.test("ten million lines come back the same within 200 MB per process", async () => {
  using folder = temporaryFolder();
  await using broker = await startBrokerProcess({
    data: `${folder.path}/data`,
  });
  const to = ["-b", broker.address];
  const producePeak = new Peak(folder.path, "produce");
  const produced = await pipeline(
    `seq 1 ${LINES} | ${named("produce", "produce", "t", ...to)}`,
    folder.path,
  );
  const produce = producePeak.stop();
  assertEquals(produced.code, 0, produced.stderr);
  const expected = await pipeline(`seq 1 ${LINES} | sha256sum`, folder.path);
  const consumePeak = new Peak(folder.path, "consume");
  const consumed = await pipeline(
    `${named("consume", "consume", "t", "-e", ...to)} | sha256sum`,
    folder.path,
  );
  const consume = consumePeak.stop();
  assertEquals(consumed.code, 0, consumed.stderr);
  assertEquals(consumed.stdout, expected.stdout);
  const head = await pipeline(
    `${kfCommand("consume", "t", ...to).join(" ")} | head -3`,
    folder.path,
  );
  assertEquals([head.code, head.stdout], [0, "1\n2\n3\n"], head.stderr);
  const peaks = { produce, consume, broker: peakKb(broker.pid) };
  // deno-lint-ignore no-console
  console.log("peak RSS in KB:", peaks);
  for (const [name, peak] of Object.entries(peaks)) {
    assert(peak > 0, `${name} was seen`);
    assert(peak <= PEAK_KB_MAX, `${name} peaked at ${peak} KB`);
  }
  assertEquals(await broker.end("SIGTERM"), 0);
});
