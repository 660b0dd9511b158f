/**
 * The simulated disk: what was synced stays, what was not may go, and a crash
 * in the middle of a call leaves part of it.
 *
 * @module
 */
import { assert, assertEquals, assertThrows } from "@std/assert";
import { LogFolder } from "../../core/log/log_folder.ts";
import { Chance } from "./chance.ts";
import { SimDisk } from "./disk.ts";
import { FileNode } from "./files.ts";
import { Killed, SimProcess } from "./process.ts";
import { Scheduler } from "./scheduler.ts";

const RUNS = 50;

function machine(seed: number) {
  const disk = new SimDisk(new Chance(seed));
  const scheduler = new Scheduler({
    onNote: undefined,
    onThrow: (error) => {
      throw error;
    },
  });
  const boot = () =>
    new SimProcess({
      name: "p",
      host: "h",
      scheduler,
      chance: new Chance(seed, 9),
      wallSkewMs: () => 0,
      onDefect: (what) => {
        throw new Error(what);
      },
    });
  return { disk, boot };
}

Deno.test("synced bytes of a synced folder survive any loss of power", () => {
  for (let seed = 0; seed < RUNS; seed++) {
    const { disk, boot } = machine(seed);
    const before = disk.mount(boot());
    const file = before.open("/f", "create");
    file.pwriteAll(new Uint8Array(10_000).fill(1), 0);
    file.syncDataSync();
    before.syncDirectory("/");
    file.pwriteAll(new Uint8Array(10_000).fill(2), 5_000);
    disk.losePower();
    const after = disk.mount(boot()).readFile("/f");
    assert(after.length === 10_000 || after.length === 15_000);
    assert(after.subarray(0, 4096).every((byte) => byte === 1));
  }
});

Deno.test("a bit that flips while a sync is under way is another one on the medium, too", () => {
  const file = new FileNode();
  file.write(new Uint8Array(5_000), 0);
  const end = file.beginSync();
  file.flip(4_500, 3);
  end();
  assertEquals(file.content()[4_500], 8);
  assertEquals(file.durable(), file.content());
});

Deno.test("what no sync has seen is lost in some runs, and kept in others", () => {
  const sizes = new Set<number | undefined>();
  for (let seed = 0; seed < RUNS; seed++) {
    const { disk, boot } = machine(seed);
    const before = disk.mount(boot());
    before.open("/f", "create").pwriteAll(new Uint8Array(9_000).fill(1), 0);
    disk.losePower();
    const after = disk.mount(boot());
    sizes.add(after.stat("/f")?.size);
  }
  assertEquals(sizes, new Set([undefined, 0, 9_000]));
});

Deno.test("a rename is whole, whether it survives or not", () => {
  for (let seed = 0; seed < RUNS; seed++) {
    const { disk, boot } = machine(seed);
    const before = disk.mount(boot());
    for (const [name, byte] of [["/a", 1], ["/b", 2]] as const) {
      const file = before.open(name, "create");
      file.pwriteAll(Uint8Array.of(byte), 0);
      file.syncDataSync();
    }
    before.syncDirectory("/");
    before.rename("/b", "/a");
    disk.losePower();
    const after = disk.mount(boot());
    const [byte] = after.readFile("/a");
    assertEquals(after.stat("/b") === undefined, byte === 2);
  }
});

Deno.test("a process that dies in a call reaches the disk no more", () => {
  const { disk, boot } = machine(1);
  const process = boot();
  const mounted = disk.mount(process);
  const file = mounted.open("/f", "create");
  disk.crashIn(2, "killed");
  assertThrows(() => file.pwriteAll(new Uint8Array(100), 0), Killed);
  assert(!process.isAlive);
  assertThrows(() => file.size(), Killed);
  assert(disk.mount(boot()).stat("/f")!.size <= 100);
});

Deno.test("a new data folder survives any loss of power", () => {
  for (let seed = 0; seed < RUNS; seed++) {
    const { disk, boot } = machine(seed);
    const path = "/srv/data/kf";
    const options = (env: ReturnType<SimProcess["env"]>) => ({
      env,
      path,
      nodeId: 1,
    });
    const first = boot();
    const { clusterId } = LogFolder.open(
      options(first.env(disk.mount(first))),
    );
    first.die("power lost");
    disk.losePower();
    const second = boot();
    const again = LogFolder.open(options(second.env(disk.mount(second))));
    assertEquals(again.clusterId, clusterId);
  }
});
