/**
 * The kinds of fault that three real nodes are put through: each says what it
 * needs, strikes once when told, and heals. Owns no judgement.
 *
 * @module
 */
import { until } from "../fixtures.ts";
import type { Chance } from "../sim/chance.ts";
import { mount } from "../small_disk.ts";
import { type ClusterHost, NODES } from "./cluster_host.ts";
import { pause } from "./host.ts";
import { fill } from "./kinds.ts";
import { PowerDisk } from "./power_disk.ts";
import { type Probe, PROBED } from "./probe.ts";

/** What a fault strikes. */
export interface ClusterSite {
  readonly host: ClusterHost;
  readonly chance: Chance;
  /** Waits until everything is written to again, with the fault still there. */
  resumed(): Promise<void>;
  /** The disk of node 1, where the kind asks for one. */
  readonly disk: string | undefined;
  /** That disk loses what wasn't synced, and is there again. */
  losePower(): void;
  restorePower(): void;
}

/** A kind of fault. */
export interface ClusterKind {
  /** How soon writes go on, as long as a majority can. */
  readonly resumesMs?: (sessionMs: number) => number;
  /** Of node 1. */
  readonly disk?: "small" | "powered";
  readonly needsNetwork?: true;
  /** One fault, and its end. */
  strike(site: ClusterSite): Promise<void>;
}

/** Of a broker's death. */
function afterDeath(sessionMs: number): number {
  return sessionMs <= 3_000 ? 5_000 : sessionMs + 3_000;
}

/** Of the controller's: who follows gives everybody a whole session anew. */
function afterControllers(sessionMs: number): number {
  return sessionMs + 6_000;
}

/** Killed; comes back once others have taken over. */
function killing(victim: (site: ClusterSite) => Promise<number>) {
  return async (site: ClusterSite) => {
    const id = await victim(site);
    await site.host.kill(id);
    await site.resumed();
    await site.host.start(id);
  };
}

const leader = ({ host, chance }: ClusterSite) =>
  host.leaderOf(PROBED.topic, chance.below(PROBED.partitions));
const controller = ({ host }: ClusterSite) => host.controller();
const anyone = ({ chance }: ClusterSite) =>
  Promise.resolve(1 + chance.below(NODES));

/** A leader that isn't the controller, if there is one. */
async function plainLeader({ host }: ClusterSite): Promise<number> {
  const controllerId = await host.controller();
  for (let index = 0; index < PROBED.partitions; index++) {
    const id = await host.leaderOf(PROBED.topic, index);
    if (id !== controllerId) return id;
  }
  return controllerId;
}

/** Held for long enough that others take over. */
function holding(victim: (site: ClusterSite) => Promise<number>) {
  return async (site: ClusterSite) => {
    const id = await victim(site);
    await site.host.hold(id);
    await site.resumed();
    site.host.release(id);
  };
}

/** Cut off, as `cut` does it, until writes go on; at times longer. */
function cutting(cut: (site: ClusterSite) => Promise<void>): ClusterKind {
  return {
    needsNetwork: true,
    async strike(site) {
      const { host, chance } = site;
      await cut(site);
      if (chance.oneIn(3)) await pause(chance.below(6_000));
      else await site.resumed();
      host.network!.heal();
    },
  };
}

/** By name, in the order in which they are run. */
export const CLUSTER_KINDS = {
  leader: { resumesMs: afterDeath, strike: killing(plainLeader) },
  controller: { resumesMs: afterControllers, strike: killing(controller) },
  /** Back at once: the controller still thinks that it never went. */
  bounce: {
    async strike(site) {
      const id = await anyone(site);
      await site.host.kill(id);
      await pause(site.chance.below(2_000));
      await site.host.start(id);
    },
  },
  two: {
    async strike({ host, chance }) {
      const spared = 1 + chance.below(NODES);
      const ids = host.ids().filter((id) => id !== spared);
      await Promise.all(ids.map((id) => host.kill(id)));
      await pause(chance.below(4_000));
      await Promise.all(ids.map((id) => host.start(id)));
    },
  },
  all: {
    async strike({ host, chance }) {
      await Promise.all(host.ids().map((id) => host.kill(id)));
      await Promise.all(
        host.ids().map(async (id) => {
          await pause(chance.below(3_000));
          await host.start(id);
        }),
      );
    },
  },
  "held-leader": { strike: holding(plainLeader) },
  "held-controller": {
    resumesMs: afterControllers,
    strike: holding(controller),
  },
  /** Held for less and for more than it takes to be missed. */
  held: {
    async strike(site) {
      const { host, chance } = site;
      const id = await anyone(site);
      await host.hold(id);
      await pause(1_000 + chance.below(chance.oneIn(4) ? 29_000 : 6_000));
      host.release(id);
    },
  },
  /** Nobody hears it, and it hears nobody; clients neither. */
  unplugged: cutting(async (site) =>
    site.host.network!.unplug(await leader(site))
  ),
  "unplugged-controller": cutting(async (site) =>
    site.host.network!.unplug(await controller(site))
  ),
  /** Clients reach it, other nodes don't. */
  island: cutting(async (site) => {
    const id = await anyone(site);
    for (const other of site.host.ids()) {
      if (other === id) continue;
      site.host.network!.cut(id, other);
      site.host.network!.cut(other, id);
    }
  }),
  /** It hears the others, who don't hear it; or the other way round. */
  "one-way": cutting(async (site) => {
    const id = await anyone(site);
    const isHeard = site.chance.oneIn(2);
    for (const other of site.host.ids()) {
      if (other === id) continue;
      if (isHeard) site.host.network!.cut(other, id);
      else site.host.network!.cut(id, other);
    }
  }),
  /** Two nodes don't hear each other; both hear the third. */
  pair: cutting(async (site) => {
    const id = await anyone(site);
    const other = id % NODES + 1;
    site.host.network!.cut(id, other);
    site.host.network!.cut(other, id);
  }),
  /** What one node sends to another is lost now and then. */
  flaky: {
    needsNetwork: true,
    async strike({ host, chance }) {
      for (let left = 10 + chance.below(30); left > 0; left--) {
        const from = 1 + chance.below(NODES);
        host.network!.cut(from, from % NODES + 1);
        await pause(chance.below(300));
        host.network!.heal();
        await pause(chance.below(200));
      }
    },
  },
  power: {
    disk: "powered",
    async strike(site) {
      await site.host.hold(1);
      site.losePower();
      await site.host.kill(1);
      if (site.chance.oneIn(2)) await site.resumed();
      site.restorePower();
      await site.host.start(1);
    },
  },
  full: {
    disk: "small",
    async strike(site) {
      const filler = await fill(site.disk!);
      if (site.chance.oneIn(2)) await site.resumed();
      else await pause(200 + site.chance.below(5_000));
      Deno.removeSync(filler);
      await site.host.startEnded();
    },
  },
} as const satisfies Readonly<Record<string, ClusterKind>>;

/** One of {@linkcode CLUSTER_KINDS}. */
export type ClusterKindName = keyof typeof CLUSTER_KINDS;

const DISK_BYTES = "64m";

/** The disk of node 1, or why there can be none. */
export function diskOf(
  { disk }: ClusterKind,
  folder: string,
):
  | ({ readonly path: string; readonly power?: PowerDisk } & Disposable)
  | string
  | undefined {
  if (disk === undefined) return undefined;
  if (disk === "powered") {
    const power = PowerDisk.create(folder);
    if (typeof power === "string") return power;
    return {
      path: power.path,
      power,
      [Symbol.dispose]: () => power[Symbol.dispose](),
    };
  }
  const path = `${folder}/disk`;
  Deno.mkdirSync(path);
  if (!mount("-t", "tmpfs", "-o", `size=${DISK_BYTES}`, "kf-faults", path)) {
    return "mounting a tmpfs needs root";
  }
  return {
    path,
    [Symbol.dispose]() {
      new Deno.Command("umount", { args: ["-l", path] }).outputSync();
    },
  };
}

/** What a strike is given. */
export function siteOf({ host, chance, probe, disk }: {
  readonly host: ClusterHost;
  readonly chance: Chance;
  readonly probe: Probe;
  readonly disk:
    | { readonly path: string; readonly power?: PowerDisk }
    | undefined;
}): ClusterSite {
  return {
    host,
    chance,
    disk: disk?.path,
    resumed: async () => {
      const sinceMs = Date.now();
      await until("writes go on", () => probe.hasResumed(sinceMs), 90_000);
    },
    losePower: () => disk!.power!.losePower(),
    restorePower: () => disk!.power!.restorePower(),
  };
}
