/**
 * A run that never gets on is a failure that says so, however it hangs. It must
 * never hang itself.
 *
 * @module
 */
import { assertEquals, assertStringIncludes } from "@std/assert";
import { Chance } from "./chance.ts";
import { isDeath, SimProcess } from "./process.ts";
import { Scheduler } from "./scheduler.ts";

function worldOf() {
  const wrong: string[] = [];
  const scheduler = new Scheduler({
    onNote: undefined,
    onThrow: (error) => void wrong.push(String(error)),
  });
  const process = new SimProcess({
    name: "p",
    host: "h",
    scheduler,
    chance: new Chance(1),
    wallSkewMs: () => 0,
    onDefect: (what) => void wrong.push(what),
  });
  return { scheduler, process, wrong };
}

Deno.test("a process that calls a seam for ever at one instant dies of it, with a defect", async () => {
  const { scheduler, process, wrong } = worldOf();
  const { clock } = process.env({} as never);
  scheduler.after(1, () => {
    try {
      while (clock.monoMs() < 2);
    } catch (error) {
      assertEquals(isDeath(error), true);
    }
  }, process);
  await scheduler.run(10, () => wrong.length > 0);
  assertEquals(process.isAlive, false);
  assertStringIncludes(wrong[0]!, "p never gets on");
});

Deno.test("timers that set each other for no time, and turns that never end, are defects", async () => {
  for (const kind of ["timer", "turn"]) {
    const { scheduler, process, wrong } = worldOf();
    const { clock } = process.env({} as never);
    const again = (): void =>
      kind === "timer" ? void clock.timer(0, again) : clock.endOfTurn(again);
    again();
    await scheduler.run(10, () => wrong.length > 0);
    assertStringIncludes(wrong[0]!, "No end to what happens at 0 ms");
  }
});

Deno.test("a loop that calls nothing ends its process, and the seed is said", async () => {
  const watched = new URL("watched.ts", import.meta.url).href;
  const code = `import { watch } from "${watched}";
    watch({ seed: 17, defect: "it was late" });
    for (;;);`;
  const { stdout, success } = await new Deno.Command(Deno.execPath(), {
    args: ["eval", code],
  }).output();
  assertEquals(success, false);
  assertEquals(
    new TextDecoder().decode(stdout),
    "seed 17: FAILED, it hangs\n  hang: it was late\n",
  );
});
