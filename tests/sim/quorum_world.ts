/**
 * A metadata quorum in the simulated world: machines that lose power, whose
 * disks forget what was not synced, on a network that clogs; somebody who has
 * the controller change things; and the judge of what was kept. It must never
 * know how the quorum works.
 *
 * @module
 */
import { type OpenMember, openMember } from "../quorum_members.ts";
import { Chance } from "./chance.ts";
import { HEALTHY, SimDisk } from "./disk.ts";
import { votersOf } from "./plan.ts";
import { type Death, isDeath, type SimProcess } from "./process.ts";
import { World } from "./world.ts";

const PORT = 9093;
const TIMEOUTS = {
  electionMs: 1000,
  fetchMs: 2000,
  backoffMaxMs: 1000,
  requestMs: 2000,
};
const SETTLE_MS = 60_000;
const STEPS = 40;
/** How long a leader that is to vote alone reaches nobody. */
const STRANDED_MS = 8000;
/** The stream of when that is. */
const STRAND = 612_031;

/** What came of a run. */
export interface QuorumOutcome {
  readonly defects: readonly string[];
  readonly acknowledged: number;
  readonly epochs: number;
  readonly removals: number;
  readonly snapshotsTaken: number;
  readonly hash: string;
}

let current: World | undefined;

/** Nothing that fails may go unheard, but what a dead process leaves behind. */
function onRejection(event: PromiseRejectionEvent): void {
  event.preventDefault();
  const { reason } = event;
  if (!isDeath(reason)) current?.defect(`unheard: ${reason?.stack ?? reason}`);
}

/** Runs `seed`: trouble first, then peace, then the judgement. */
export async function simulateQuorum(
  seed: number,
  onNote?: (line: string) => void,
): Promise<QuorumOutcome> {
  const world = new World({
    seed,
    brokerCount: 0,
    quorum: votersOf(0),
    brokerConfig: {},
    isAllKept: true,
    uncleanTopics: new Set(),
    onNote,
    onDefect: () => {},
  });
  current = world;
  globalThis.addEventListener("unhandledrejection", onRejection);
  const outcome = await new QuorumRun(world).outcome();
  await world.scheduler.settle();
  return outcome;
}

/** One machine with a member on it, as long as one runs. */
class QuorumMachine {
  readonly host: string;
  readonly disk: SimDisk;
  member: OpenMember | undefined;
  process: SimProcess | undefined;

  constructor(readonly run: QuorumRun, readonly id: number) {
    this.host = `n${id}`;
    this.disk = new SimDisk(run.world.chance.fork());
  }

  get isRunning(): boolean {
    return this.process?.isAlive === true;
  }

  start(): void {
    const { run, host } = this;
    const { world } = run;
    const process = world.spawn(host, host);
    this.process = process;
    process.onDeath((death) => {
      this.member = undefined;
      if (death === "power lost") this.disk.losePower();
    });
    const gaveUp = (error: unknown) => {
      if (!isDeath(error) && process.isAlive) {
        world.defect(`${process.name} gave up: ${textOf(error)}`);
      }
      world.scheduler.after(0, () => process.die("killed"), process);
    };
    try {
      const member = openMember({
        env: process.env(this.disk.mount(process)),
        transport: world.network.transport(process),
        path: "/data/kf",
        nodeId: this.id,
        address: { host, port: PORT },
        ...run.membership(this.id),
        timeouts: TIMEOUTS,
        snapshotBytes: run.snapshotBytes,
        onFailed: gaveUp,
      });
      this.member = member;
      member.start().catch(gaveUp);
    } catch (error) {
      gaveUp(error);
    }
  }

  die(death: Death): void {
    if (this.isRunning) this.process!.die(death);
  }

  /** Users that its image knows. */
  users(): Set<string> {
    const { quotas } = this.member!.metadata.image;
    return new Set(
      [...quotas.values()].map(({ entity }) => entity[0]!.entityName!),
    );
  }
}

class QuorumRun {
  readonly #voters: readonly { id: number; host: string; port: number }[];
  /** Whether voters come and go; the first one begins alone then. */
  readonly #isDynamic: boolean;
  readonly snapshotBytes: number;
  readonly #chance: Chance;
  /** Before which step a leader is stranded; −1: never. */
  readonly #strandedAt: number;
  readonly #machines: readonly QuorumMachine[];
  readonly #acknowledged: string[] = [];
  readonly #leaders = new Map<number, number>();
  /** What each committed offset held when somebody first knew it. */
  readonly #committed = new Map<number, string>();
  /** How long syncs take before there is peace. */
  readonly #syncMs: readonly [number, number];
  #sends = 0;
  #removals = 0;

  constructor(readonly world: World) {
    this.#chance = world.chance.fork();
    const voters = this.#chance.pick([1, 3, 3, 3, 5]);
    const observers = this.#chance.below(2);
    // Elections meet each other where answers take long.
    world.network.latencyMs = this.#chance.pick<readonly [number, number]>([
      [0.2, 5],
      [20, 500],
      [150, 1500],
    ]);
    this.#syncMs = this.#chance.pick<readonly [number, number]>([
      [1, 20],
      [100, 500],
    ]);
    this.snapshotBytes = this.#chance.pick([300, 2000, 1e9]);
    this.#isDynamic = this.#chance.oneIn(2);
    const own = new Chance(world.chance.seed, STRAND);
    this.#strandedAt = this.#isDynamic && own.odds(0.5) ? own.below(STEPS) : -1;
    this.#voters = Array.from({ length: voters }, (_, i) => ({
      id: i + 1,
      host: `n${i + 1}`,
      port: PORT,
    }));
    this.#machines = Array.from(
      { length: voters + observers },
      (_, i) => new QuorumMachine(this, i + 1),
    );
  }

  /** Who machine `id` is told votes, or where it finds that out. */
  membership(id: number) {
    if (!this.#isDynamic) return { voters: this.#voters };
    return {
      voters: [],
      bootstrapServers: this.#voters,
      isFirst: id === 1,
      isJoining: true,
    };
  }

  async outcome(): Promise<QuorumOutcome> {
    for (const { disk } of this.#machines) disk.faults.syncMs = this.#syncMs;
    for (const machine of this.#machines) machine.start();
    await this.world.pass(4000);
    for (let step = 0; step < STEPS; step++) {
      if (step === this.#strandedAt) await this.#strand();
      this.#trouble();
      await this.#live(this.#chance.int(1, 1500));
    }
    await this.#settle();
    let snapshotsTaken = 0;
    for (const { member } of this.#machines) {
      if ((member?.log.logStartOffset ?? 0) > 0) snapshotsTaken++;
    }
    return {
      defects: this.world.defects,
      acknowledged: this.#acknowledged.length,
      epochs: this.#leaders.size,
      removals: this.#removals,
      snapshotsTaken,
      hash: this.world.scheduler.hash,
    };
  }

  /** Then time stands still. */
  get #hasDefect(): boolean {
    return this.world.defects.length > 0;
  }

  /** Lets time pass; somebody asks whoever leads for changes meanwhile. */
  async #live(ms: number): Promise<void> {
    const { scheduler } = this.world;
    const untilMs = scheduler.nowMs + ms;
    // The clock stands at the last event: nothing may happen for a while.
    for (let atMs = scheduler.nowMs; atMs < untilMs && !this.#hasDefect;) {
      for (const machine of this.#machines) this.#change(machine);
      atMs += this.#chance.int(1, 200);
      await this.world.pass(Math.min(atMs, untilMs) - scheduler.nowMs);
      for (const machine of this.#machines) this.#look(machine);
    }
  }

  #change({ member }: QuorumMachine): void {
    if (member?.metadata.quorum.isActive !== true) return;
    const name = `u${this.#sends++}`;
    member.metadata.control({
      type: "alterClientQuotas",
      entries: [{
        entity: [{ entityType: "user", entityName: name }],
        ops: [{ key: "producer_byte_rate", value: 1, remove: false }],
      }],
      validateOnly: false,
    }).then(() => void this.#acknowledged.push(name), () => {});
  }

  #trouble(): void {
    const { network } = this.world;
    const machine = this.#chance.pick(this.#machines);
    const other = this.#chance.pick(this.#machines);
    switch (this.#chance.below(this.#isDynamic ? 11 : 9)) {
      case 0:
      case 1:
        return machine.die(this.#chance.pick(["killed", "power lost"]));
      case 2:
      case 3:
        for (const each of this.#machines) if (!each.isRunning) each.start();
        return;
      case 4:
        return machine.disk.crashIn(this.#chance.below(60), "power lost");
      case 5:
        network.clog(machine.host, other.host, this.#chance.int(100, 8000));
        return;
      case 6:
        for (const each of this.#machines) {
          network.clog(machine.host, each.host, 6000);
          network.clog(each.host, machine.host, 6000);
        }
        return;
      case 7:
        // What it had said, it may have forgotten, and be asked again.
        machine.die(this.#chance.pick(["killed", "power lost"]));
        return void this.world.scheduler.after(this.#chance.int(1, 300), () => {
          if (!machine.isRunning) machine.start();
        });
      case 8:
        for (const each of [...network.connections]) {
          if (this.#chance.oneIn(3)) each.reset();
        }
        return;
      case 9:
      case 10:
        return this.#remove(machine);
    }
  }

  /** Nobody hears a leader, who is asked to have all others vote no more. */
  async #strand(): Promise<void> {
    const { network, scheduler } = this.world;
    const leader = this.#machines
      .find(({ member }) => member?.metadata.quorum.isActive);
    if (leader?.member === undefined) return;
    const others = this.#machines.filter((each) => each !== leader);
    for (const { host } of others) {
      network.clog(leader.host, host, STRANDED_MS);
      network.clog(host, leader.host, STRANDED_MS);
    }
    scheduler.note(`${leader.host} is stranded`);
    const { admin } = leader.member.metadata.quorum;
    const leaveAlone = async () => {
      for (const { id, member } of others) {
        if (member === undefined) continue;
        const { directoryId } = member;
        await admin.remove({ clusterId: null, id, directoryId });
      }
    };
    leaveAlone().catch(() => {});
    await this.#live(STRANDED_MS);
  }

  /** Whoever leads has it vote no more; by and by it asks to vote again. */
  #remove({ id, member }: QuorumMachine): void {
    if (member === undefined) return;
    const { directoryId } = member;
    for (const each of this.#machines) {
      each.member?.metadata.quorum.admin
        .remove({ clusterId: null, id, directoryId })
        .then(({ error }) => {
          if (error === "NONE") this.#removals++;
        }, () => {});
    }
  }

  /** What must hold at any time. */
  #look({ id, member }: QuorumMachine): void {
    if (member === undefined) return;
    const { quorum } = member.metadata;
    if (quorum.isActive) {
      const before = this.#leaders.get(quorum.epoch) ?? id;
      if (before !== id) {
        this.world.defect(`${before} and ${id} lead epoch ${quorum.epoch}`);
      }
      this.#leaders.set(quorum.epoch, id);
    }
    this.#lookAtCommitted(id, member);
  }

  #lookAtCommitted(id: number, { log, metadata }: OpenMember): void {
    const { highWatermark } = metadata.quorum;
    for (let at = log.logStartOffset; at < highWatermark; at++) {
      const epoch = String(log.epochAt(at));
      const before = this.#committed.get(at) ?? epoch;
      if (before !== epoch) {
        this.world.defect(
          `${id} has offset ${at} of epoch ${epoch}, not ${before}`,
        );
      }
      this.#committed.set(at, epoch);
    }
  }

  /** Peace: all come back, agree, and know what was acknowledged. */
  async #settle(): Promise<void> {
    const { world } = this;
    world.network.heal();
    world.network.latencyMs = [0.2, 5];
    for (const { disk } of this.#machines) {
      disk.crashIn(0, "killed");
      disk.faults = { ...HEALTHY };
    }
    const isLevel = () => {
      for (const each of this.#machines) if (!each.isRunning) each.start();
      const members = this.#machines.map(({ member }) => member);
      const leader = members.find((member) => member?.metadata.quorum.isActive);
      const end = leader?.metadata.quorum.logEndOffset;
      return members.every((member) => member?.metadata.appliedOffset === end);
    };
    if (!await world.pass(SETTLE_MS, isLevel) || this.#hasDefect) {
      return world.defect("they do not agree in the end");
    }
    const [first, ...others] = this.#machines.map((each) => each.users());
    for (const name of this.#acknowledged) {
      if (!first!.has(name)) {
        world.defect(`${name} was acknowledged and is gone`);
      }
    }
    for (const users of others) {
      if (users.symmetricDifference(first!).size > 0) {
        world.defect("the images are not the same");
      }
    }
  }
}

function textOf(error: unknown): string {
  return error instanceof Error ? error.stack ?? error.message : String(error);
}
