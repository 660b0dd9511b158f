/**
 * What comparisons share: the C programs, the CPU time of a process, medians.
 * Owns no broker and no load.
 *
 * @module
 */
const HERE = new URL(".", import.meta.url).pathname;
const CLOCK_TICKS_PER_SECOND = 100;

/** Compiles one of the C programs beside this file; gives the binary. */
export async function build(source: string, into: string): Promise<string> {
  const binary = `${into}/${source.replace(".c", "")}`;
  const { success } = await new Deno.Command("cc", {
    args: ["-O2", "-msse4.2", "-o", binary, `${HERE}${source}`],
    stdout: "inherit",
    stderr: "inherit",
  }).output();
  if (!success) throw new Error(`Cannot build ${source}: cc failed`);
  return binary;
}

/** User and system time of a process so far, in seconds. */
export function cpuSeconds(pid: number): number {
  const fields = Deno.readTextFileSync(`/proc/${pid}/stat`).split(") ")[1]!
    .split(" ");
  return (Number(fields[11]) + Number(fields[12])) / CLOCK_TICKS_PER_SECOND;
}

/** The middle one. */
export function median(values: number[]): number {
  return values.sort((a, b) => a - b)[values.length >> 1]!;
}

/** A line of the report. */
export function print(line: string): void {
  Deno.stdout.writeSync(new TextEncoder().encode(line + "\n"));
}
