/**
 * Lets faults happen as a plan says, and in the end heals everything. Owns
 * when; how a fault works is the world's business.
 *
 * @module
 */
import { Chance } from "./chance.ts";
import { HEALTHY } from "./disk.ts";
import { LateRequests } from "./late.ts";
import type { FaultPlan } from "./plan.ts";
import type { Death } from "./process.ts";
import type { Machine, World } from "./world.ts";

/** A client that may be killed. */
export interface Mortal {
  readonly name: string;
  die(ms: number): void;
}

/** The faults of one run. */
export class Nemesis {
  readonly #world: World;
  readonly #plan: FaultPlan;
  readonly #clients: readonly Mortal[];
  readonly #topics: readonly string[];
  readonly #chance: Chance;
  readonly #late: LateRequests;
  /** For what was not always there. */
  readonly #more: Chance;
  readonly #own: Chance;
  #isOver = false;

  constructor(
    world: World,
    { plan, clients, topics }: {
      readonly plan: FaultPlan;
      /** What clients write to, and nobody may lose. */
      readonly topics: readonly string[];
      readonly clients: readonly Mortal[];
    },
  ) {
    this.#world = world;
    this.#plan = plan;
    this.#clients = clients;
    this.#topics = topics;
    this.#chance = world.chance.fork();
    this.#late = new LateRequests(world);
    this.#more = new Chance(world.chance.seed, 3);
    this.#own = new Chance(world.chance.seed, 4);
  }

  /** From now on faults happen, and brokers that died come again. */
  start(): void {
    const plan = this.#plan;
    this.#every(plan.killMs, (machine) => this.#die(machine, "killed"));
    this.#every(plan.powerLossMs, (machine) => this.#losePower(machine));
    this.#every(plan.disasterMs, () => this.#strike());
    this.#every(plan.restartMs, (machine) => this.#restart(machine));
    this.#every(plan.clogMs, (machine) => this.#clog(machine));
    this.#every(plan.cutMs, (machine) => this.#cut(machine));
    this.#every(plan.slowLinkMs, (machine) => this.#slow(machine));
    this.#every(plan.resetMs, () => this.#reset());
    this.#every(plan.fullDiskMs, ({ disk: { faults } }) => {
      if (!this.#mayFail) return;
      faults.isFull = true;
      this.#later(1_500, () => faults.isFull = false);
    });
    this.#every(plan.diskErrorMs, ({ disk: { faults } }) => {
      if (!this.#mayFail) return;
      faults.errorRate = this.#chance.pick([0.01, 0.1, 0.5]);
      this.#later(500, () => faults.errorRate = 0);
    });
    this.#every(plan.syncErrorMs, ({ disk: { faults } }) => {
      faults.syncErrorRate = this.#chance.pick([0.05, 0.5]);
      this.#later(500, () => faults.syncErrorRate = 0);
    });
    this.#every(plan.refusalMs, ({ disk: { faults } }) => {
      faults.refusedTopic = this.#chance.pick(this.#topics);
      this.#later(2_500, () => faults.refusedTopic = undefined);
    });
    this.#every(plan.slowSyncMs, ({ disk: { faults } }) => {
      faults.syncMs = [this.#chance.int(20, 200), 1_000];
      this.#later(1_000, () => faults.syncMs = HEALTHY.syncMs);
    });
    this.#every(plan.clockJumpMs, () => {
      const { clockJumpMsMax } = plan;
      this.#world.wallSkewMs += this.#chance.int(
        -clockJumpMsMax,
        clockJumpMsMax,
      );
    });
    this.#every(plan.skewMs, (machine) => {
      machine.wallSkewMs = this.#chance.int(-60_000, 60_000);
    });
    this.#every(plan.clientDeathMs, () => {
      if (this.#clients.length === 0) return;
      this.#chance.pick(this.#clients).die(this.#chance.int(0, 1_500));
    });
    this.#every(plan.strandMs, () => this.#strand());
    this.#every(plan.closedRotMs, () => this.#rotClosed());
    this.#every(plan.lateMs, () => this.#late.arm());
    for (const machine of this.#world.machines) this.#revive(machine);
  }

  /** No more faults; what was broken is mended. */
  heal(): void {
    this.#isOver = true;
    this.#world.network.heal();
    for (const machine of this.#world.machines) {
      const { disk } = machine;
      disk.faults = { ...HEALTHY };
      disk.crashIn(0, "killed");
      if (disk.hasFailed) this.#renew(machine);
      if (machine.rotten.size > 0) this.#replace(machine);
    }
  }

  /** A log that a disk failed stays offline until a restart. */
  #renew(machine: Machine): void {
    if (!machine.disk.hasFailed) return;
    if (this.#mayFail) machine.die("killed");
    else this.#world.scheduler.after(100, () => this.#renew(machine));
  }

  /** An operator discards what is rotten once others have it. */
  #replace(machine: Machine): void {
    if (this.#mayFail && machine.isReplaceable) {
      machine.die("killed");
      machine.discardRotten();
    } else this.#world.scheduler.after(100, () => this.#replace(machine));
  }

  /** Who ends uncleanly counts as one that lost its power: one at a time. */
  get #mayFail(): boolean {
    return this.#plan.powerLoss !== "spared" ||
      this.#world.machines.every(({ isUp, disk }) =>
        isUp && disk.pendingDeath !== "power lost"
      );
  }

  /**
   * Whether all that others are to die of yet leaves room for this: while one has
   * lost its power nobody else ends uncleanly, or who kept all may not lead. Nor
   * does who alone kept all, before the one that lost it has it again.
   */
  #leavesRoom(machine: Machine, death: Death): boolean {
    return this.#plan.powerLoss === "any" ||
      !machine.isLastWhole &&
        this.#world.machines.every((each) => {
          const { pendingDeath } = each.disk;
          return each === machine || pendingDeath === undefined ||
            pendingDeath === "killed" && death === "killed";
        });
  }

  #every(meanMs: number, fault: (machine: Machine) => void): void {
    if (meanMs === 0) return;
    const next = () => {
      if (this.#isOver) return;
      fault(this.#chance.pick(this.#world.machines));
      wait();
    };
    const wait = () =>
      void this.#world.scheduler.after(
        -Math.log(1 - this.#chance.unit()) * meanMs,
        next,
      );
    wait();
  }

  #later(meanMs: number, fn: () => void): void {
    this.#world.scheduler.after(this.#chance.unit() * 2 * meanMs, fn);
  }

  #losePower(machine: Machine): void {
    const { powerLoss } = this.#plan;
    if (powerLoss === "first") return this.#die(this.#weak, "power lost");
    if (powerLoss === "any" || machine.isSpare) {
      this.#fall(machine, "power lost");
    } else if (machine.isBarelySpare) machine.die("power lost");
  }

  /** Many die at once, or nearly so. */
  #strike(): void {
    const machines = [...this.#world.machines];
    const count = this.#chance.odds(0.5)
      ? machines.length
      : (machines.length >> 1) + 1;
    const death = this.#chance.pick<Death>(["killed", "power lost"]);
    for (let i = 0; i < count; i++) {
      const [machine] = machines.splice(
        this.#chance.int(0, machines.length - 1),
        1,
      );
      this.#fall(machine!, death);
    }
  }

  /** Unless others are down already. */
  #die(machine: Machine, death: Death): void {
    if (this.#areOthersUp(machine) && this.#leavesRoom(machine, death)) {
      this.#fall(machine, death);
    }
  }

  /** At once, or in the middle of one of its next calls of the disk. */
  #fall(machine: Machine, death: Death): void {
    if (this.#late.isBusy) return;
    if (this.#chance.odds(0.3)) machine.die(death);
    else machine.disk.crashIn(this.#chance.int(1, 60), death);
  }

  #restart(machine: Machine): void {
    const mayStop = !this.#late.isBusy && this.#areOthersUp(machine);
    if (machine.isUp && mayStop) machine.stop();
  }

  /** Of several machines a minority is down. */
  #areOthersUp(machine: Machine): boolean {
    return this.#world.machines.every((each) => each === machine || each.isUp);
  }

  /** What no disk was asked to keep is lost by one machine only. */
  get #weak(): Machine {
    return this.#world.machines[0]!;
  }

  /** Others of the cluster, all or one; the ways there and back, or one. */
  #ways(machine: Machine): (readonly [from: string, to: string])[] {
    const others = this.#world.machines.filter((each) => each !== machine);
    const chosen = this.#chance.odds(0.5)
      ? others
      : [this.#chance.pick(others)];
    const direction = this.#chance.pick(["there", "back", "both", "both"]);
    return chosen.flatMap(({ host }) => [
      ...direction === "back" ? [] : [[machine.host, host] as const],
      ...direction === "there" ? [] : [[host, machine.host] as const],
    ]);
  }

  #cut(machine: Machine): void {
    const ms = this.#chance.delayMs(1_000, 8_000);
    for (const [from, to] of this.#ways(machine)) {
      this.#world.network.clog(from, to, ms);
      this.#world.scheduler.note(`${from} → ${to} is cut for ${ms} ms`);
    }
  }

  /** Nobody but the controller hears of a leader until nobody is in sync with it. */
  #strand(): void {
    const world = this.#world;
    const { controllerId, leaders } = world.watcher.strandable();
    if (leaders.length === 0) return;
    const leaderId = this.#chance.pick(leaders);
    const machine = world.machines.find(({ nodeId }) => nodeId === leaderId)!;
    const ms = this.#chance.int(1_500, 6_000);
    for (const { nodeId, host } of world.machines) {
      if (nodeId === leaderId || nodeId === controllerId) continue;
      world.network.clog(machine.host, host, ms);
      world.network.clog(host, machine.host, ms);
    }
    world.scheduler.note(`${machine.host} is stranded for ${ms} ms`);
    world.scheduler.after(ms * 0.9, () => {
      if (!this.#isOver) this.#die(machine, "killed");
    });
  }

  #slow(machine: Machine): void {
    const latency = [this.#chance.pick([5, 50, 300]), 2_000] as const;
    for (const [from, to] of this.#ways(machine)) {
      this.#world.network.slow(from, to, latency);
      this.#later(
        1_500,
        () => this.#world.network.slow(from, to, this.#world.network.latencyMs),
      );
    }
  }

  #clog(machine: Machine): void {
    const { network } = this.#world;
    const ms = this.#chance.delayMs(500, 6_000);
    const isOneWay = this.#chance.odds(0.5);
    const client = this.#clients.length > 0
      ? this.#chance.pick(this.#clients).name
      : machine.host;
    network.clog(client, machine.host, ms);
    if (!isOneWay) network.clog(machine.host, client, ms);
  }

  #reset(): void {
    const connections = [...this.#world.network.connections];
    if (connections.length > 0) this.#chance.pick(connections).reset();
  }

  /** What a broker finds is not always as it was left. */
  #rot(machine: Machine): void {
    const { rotRate, rottingTopics, powerLossMs, syncErrorMs } = this.#plan;
    if (this.#isOver || !this.#more.odds(rotRate)) return;
    machine.rot({
      chance: this.#more,
      topics: rottingTopics,
      // A checkpoint that claims too much was synced harms the next power loss.
      checkpoints: powerLossMs === 0 && syncErrorMs === 0,
    });
  }

  #rotSnapshots(machine: Machine): void {
    const { snapshotRotRate } = this.#plan;
    if (this.#isOver || !this.#own.odds(snapshotRotRate)) return;
    machine.rotSnapshots(this.#own);
  }

  /** What others have may be damaged on one machine, where nobody looks for long. */
  #rotClosed(): void {
    const machine = this.#world.machines.at(-1)!;
    if (!machine.isCovered) return;
    machine.rotClosed({ chance: this.#chance, topics: this.#topics });
  }

  /** Also a start may be interrupted, again and again. */
  #kill(machine: Machine): void {
    const { startDeathRate, powerLossMs } = this.#plan;
    if (this.#isOver || !this.#more.odds(startDeathRate)) return;
    if (!this.#areOthersUp(machine)) return;
    const isPower = powerLossMs > 0 && this.#mayLosePower(machine) &&
      this.#more.odds(0.5);
    const death = isPower ? "power lost" : "killed";
    if (!this.#leavesRoom(machine, death)) return;
    machine.disk.crashIn(this.#more.int(1, 300), death);
  }

  #mayLosePower(machine: Machine): boolean {
    switch (this.#plan.powerLoss) {
      case "first":
        return machine === this.#weak;
      case "spared":
        return machine.isSpare;
      case "any":
        return true;
    }
  }

  /** Starts what doesn't run, now and then. */
  #revive(machine: Machine): void {
    const look = () => {
      if (!machine.isRunning) {
        this.#rot(machine);
        this.#rotSnapshots(machine);
        machine.start();
        this.#kill(machine);
      }
      this.#world.scheduler.after(this.#chance.delayMs(100, 1_000), look);
    };
    look();
  }
}
