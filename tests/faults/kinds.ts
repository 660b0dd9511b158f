/**
 * The kinds of fault that a real broker is put through: each says what it
 * needs, prepares its disk, and strikes once when told. Owns no judgement.
 *
 * @module
 */
import type { Chance } from "../sim/chance.ts";
import { hasProgram, run, until } from "../fixtures.ts";
import { mount } from "../small_disk.ts";
import { type Host, pause } from "./host.ts";
import { PowerDisk } from "./power_disk.ts";

/** Where a round takes place. */
export interface Site extends Disposable {
  /** The broker's data folder, not made yet. */
  readonly data: string;
  /** The program that the broker always runs under. */
  readonly under?: readonly string[];
  /** One fault, and its end: the broker serves again afterwards. */
  strike(host: Host, chance: Chance): Promise<void>;
}

/** A kind of fault. */
export interface FaultKind {
  /** How often it strikes in a round. */
  readonly strikes: number;
  /** Files that may stay damaged: nothing is read by their word alone. */
  readonly leaves?: RegExp;
  /** Prepares a folder for a round, or says why it can't be done here. */
  prepare(folder: string): Site | string;
}

/** A site on an ordinary folder. */
function plainSite(
  folder: string,
  strike: Site["strike"],
): Site {
  return { data: `${folder}/data`, strike, [Symbol.dispose]() {} };
}

/** `kill -9`, and again. */
const kill: FaultKind = {
  strikes: 2,
  prepare: (folder) =>
    plainSite(folder, async (host, chance) => {
      await pause(20 + chance.below(250));
      await host.end("SIGKILL");
      await host.start();
    }),
};

/** Held still, for less and for more than clients wait. */
const freeze: FaultKind = {
  strikes: 3,
  prepare: (folder) =>
    plainSite(folder, async (host, chance) => {
      await pause(50 + chance.below(300));
      await host.hold();
      await pause(100 + chance.below(4500));
      host.release();
    }),
};

/** Files without which nothing is lost: all but segments and metadata. */
const REMADE =
  /\.(index|timeindex|txnindex|snapshot)$|-checkpoint$|\.kafka_cleanshutdown$/;

function* filesBelow(folder: string): Generator<string> {
  for (const { name, isDirectory } of Deno.readDirSync(folder)) {
    const path = `${folder}/${name}`;
    if (isDirectory) yield* filesBelow(path);
    else yield path;
  }
}

/** What a disk does to a file while nobody looks. */
function damage(path: string, chance: Chance): void {
  const bytes = Deno.readFileSync(path);
  switch (chance.below(4)) {
    case 0:
      return Deno.writeFileSync(
        path,
        bytes.subarray(0, chance.below(bytes.length + 1)),
      );
    case 1:
      return Deno.removeSync(path);
    case 2:
      return Deno.writeFileSync(path, chance.bytes(bytes.length));
    default:
      if (bytes.length > 0) {
        bytes[chance.below(bytes.length)]! ^= 1 << chance.below(8);
      }
      Deno.writeFileSync(path, bytes);
  }
}

/** Ends within a write: what was never acknowledged lies behind the log. */
function tear(path: string, chance: Chance): void {
  Deno.writeFileSync(path, chance.bytes(1 + chance.size(3000)), {
    append: true,
  });
}

/** Damage that recovery must mend without losing a record. */
const damaged: FaultKind = {
  strikes: 3,
  leaves: /\.(snapshot|index|timeindex)$/,
  prepare: (folder) =>
    plainSite(folder, async (host, chance) => {
      await pause(100 + chance.below(300));
      const isClean = chance.oneIn(2);
      await host.end(isClean ? "SIGTERM" : "SIGKILL");
      const files = [...filesBelow(host.data)].sort();
      const remade = files.filter((path) => REMADE.test(path));
      for (let left = 1 + chance.below(5); left > 0; left--) {
        const path = remade.splice(chance.below(remade.length), 1)[0];
        if (path !== undefined) damage(path, chance);
      }
      const logs = files.filter((path) =>
        /\/(durable|plain|whole)-\d\/.*\.log$/.test(path)
      );
      const last = logs.filter((path, i) =>
        logs[i + 1]?.replace(/[^/]*$/, "") !== path.replace(/[^/]*$/, "")
      );
      if (!isClean) tear(chance.pick(last), chance);
      await host.start();
    }),
};

/** Power is lost: what was synced is there, and nothing else need be. */
const power: FaultKind = {
  strikes: 3,
  prepare(folder) {
    const disk = PowerDisk.create(folder);
    if (typeof disk === "string") return disk;
    return {
      data: `${disk.path}/data`,
      async strike(host, chance) {
        await pause(100 + chance.below(600));
        // A machine without power answers nobody. A running broker might: of a
        // sync that the shutdown overtakes, ext4 says that it was done.
        await host.hold();
        disk.losePower();
        host.powerLossesMs.push(Date.now());
        await host.end("SIGKILL");
        disk.restorePower();
        await host.start();
      },
      [Symbol.dispose]: () => disk[Symbol.dispose](),
    };
  },
};

const DISK_BYTES = "24m";

/** Takes all that a disk has left; gives the file that holds it. */
export async function fill(disk: string): Promise<string> {
  const filler = `${disk}/filler`;
  // `dd` ends with an error when nothing is left.
  await run(["dd", "if=/dev/zero", `of=${filler}`, "bs=4k"]);
  return filler;
}

/** The disk fills up, and is made room on. */
const full: FaultKind = {
  strikes: 2,
  prepare(folder) {
    const path = `${folder}/disk`;
    Deno.mkdirSync(path);
    if (!mount("-t", "tmpfs", "-o", `size=${DISK_BYTES}`, "kf-faults", path)) {
      return "mounting a tmpfs needs root";
    }
    return {
      data: `${path}/data`,
      async strike(_host, chance) {
        await pause(50 + chance.below(200));
        const filler = await fill(path);
        await pause(200 + chance.below(1500));
        Deno.removeSync(filler);
      },
      [Symbol.dispose]() {
        new Deno.Command("umount", { args: ["-l", path] }).outputSync();
      },
    };
  },
};

/** A sync fails once; the broker is started anew without that. */
const eio: FaultKind = {
  strikes: 2,
  prepare(folder) {
    if (!hasProgram("strace", "-V")) return "strace is not installed";
    return plainSite(folder, async (host, chance) => {
      await host.end("SIGTERM");
      const nth = 3 + chance.below(60);
      await host.start([
        ...["strace", "-D", "-f", "-qq", "-o", "/dev/null"],
        ...["-e", "trace=fdatasync,fsync"],
        ...["-e", `inject=fdatasync,fsync:error=EIO:when=${nth}`],
      ]).catch(() => {}); // it may fail while it starts
      await pause(800 + chance.below(1500));
      await host.endIfRunning("SIGKILL");
      await host.start();
    });
  },
};

const FAKETIME =
  `/usr/lib/${Deno.build.arch}-linux-gnu/faketime/libfaketimeMT.so.1`;
/**
 * Less than what is kept for a day, and than the hour by which records may be
 * ahead of the broker.
 */
const AHEAD_SECONDS_MAX = 11 * 3600;
const BEHIND_SECONDS_MAX = 55 * 60;

/** The wall clock jumps, and a broker may begin anew with the wrong time. */
const clock: FaultKind = {
  strikes: 3,
  prepare(folder) {
    if (!isThere(FAKETIME)) return "libfaketime is not installed";
    const file = `${folder}/clock`;
    const set = (seconds: number) => {
      Deno.writeTextFileSync(
        `${file}.new`,
        `${seconds < 0 ? "" : "+"}${seconds}`,
      );
      Deno.renameSync(`${file}.new`, file);
    };
    set(0);
    return {
      data: `${folder}/data`,
      under: [
        ...["env", `LD_PRELOAD=${FAKETIME}`, `FAKETIME_TIMESTAMP_FILE=${file}`],
        ...["FAKETIME_DONT_FAKE_MONOTONIC=1", "FAKETIME_NO_CACHE=1"],
      ],
      async strike(host, chance) {
        await pause(50 + chance.below(400));
        set(
          chance.int(-BEHIND_SECONDS_MAX, chance.pick([60, AHEAD_SECONDS_MAX])),
        );
        if (!chance.oneIn(3)) return;
        await pause(chance.below(300));
        await host.end(chance.oneIn(2) ? "SIGTERM" : "SIGKILL");
        await host.start();
      },
      [Symbol.dispose]() {},
    };
  },
};

function isThere(path: string): boolean {
  try {
    return Deno.statSync(path).isFile;
  } catch {
    return false;
  }
}

/** By name, in the order in which they are run. */
export const KINDS = {
  kill,
  freeze,
  damaged,
  power,
  full,
  eio,
  clock,
} as const;

/** One of {@linkcode KINDS}. */
export type KindName = keyof typeof KINDS;

/** Waits until clients get through again. */
export async function settled(load: { hasMoved(): boolean }): Promise<void> {
  load.hasMoved();
  await until("records are acknowledged again", () => load.hasMoved(), 60_000);
}
