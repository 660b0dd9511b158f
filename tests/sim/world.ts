/**
 * The world of a run: machines with a disk and a broker each, processes of
 * clients, a network between them, and what they were seen to do. Owns starts
 * and deaths of brokers; it must never decide when a fault happens.
 *
 * @module
 */
import { resolveBrokerConfig } from "../../core/config/resolve.ts";
import type { Disk } from "../../core/env/env.ts";
import { LOST_EVENT } from "../../net/client/group_member.ts";
import type { ClientSeams } from "../../net/client/types.ts";
import { Broker, type Inside } from "../../net/server/broker.ts";
import { Chance } from "./chance.ts";
import { SimDisk } from "./disk.ts";
import { whyVolatile } from "./log_rules.ts";
import { SimNetwork } from "./network.ts";
import type { QuorumPlan } from "./plan.ts";
import { type Death, isDeath, SimProcess } from "./process.ts";
import {
  removeFolder,
  rot,
  rotClosed,
  type RotOptions,
  rotSnapshots,
} from "./rot.ts";
import { Scheduler } from "./scheduler.ts";
import { Watcher } from "./watcher.ts";

/** What a world is made of. */
export interface WorldOptions {
  readonly seed: number;
  readonly brokerCount: number;
  /** Who votes, at first and later. */
  readonly quorum: QuorumPlan;
  /** Broker config by Kafka's keys, the same for all. */
  readonly brokerConfig: Readonly<Record<string, string>>;
  /** Whether nothing that was committed may go. */
  readonly isAllKept: boolean;
  /** Topics that a replica may lead which isn't in sync. */
  readonly uncleanTopics: ReadonlySet<string>;
  /** Is told of every event, for people. */
  readonly onNote?: ((line: string) => void) | undefined;
  /** Is told at once of what must never happen. */
  readonly onDefect: (what: string) => void;
}

/** Where brokers are reached, by clients and by each other. */
export const CLIENT_PORT = 9092;

/** Where controllers are reached. */
export const CONTROLLER_LISTENER = "CONTROLLER";
export const CONTROLLER_PORT = 9093;

/** One run's world. */
export class World {
  readonly chance: Chance;
  readonly scheduler: Scheduler;
  readonly network: SimNetwork;
  readonly machines: readonly Machine[];
  readonly watcher: Watcher;
  /** What must never happen, and did. */
  readonly defects: string[] = [];
  /** Of all wall clocks, beyond the true time. */
  wallSkewMs = 0;
  readonly #onDefect: (what: string) => void;
  #processCount = 0;

  constructor(options: WorldOptions) {
    const { seed, brokerCount, quorum, brokerConfig } = options;
    const { onNote, onDefect } = options;
    this.#onDefect = onDefect;
    this.chance = new Chance(seed);
    this.scheduler = new Scheduler({
      onNote,
      onThrow: (error) => {
        if (!isDeath(error)) this.defect(`uncaught: ${text(error)}`);
      },
    });
    this.network = new SimNetwork(this.scheduler, this.chance.fork());
    this.watcher = new Watcher({
      isAllKept: options.isAllKept,
      isAlone: brokerCount === 1,
      uncleanTopics: options.uncleanTopics,
      nowMs: () => this.scheduler.nowMs,
      onDefect: (what) => this.defect(what),
    });
    this.machines = Array.from(
      { length: brokerCount },
      (_, i) =>
        new Machine(this, {
          nodeId: i + 1,
          isFirst: i === 0 && quorum.begins === "alone",
          config: {
            ...brokerConfig,
            ...nodeConfig(i + 1, { brokerCount, quorum }),
          },
        }),
    );
  }

  /** For `bootstrap.servers`. */
  get addresses(): string {
    return this.machines.map(({ host }) => `${host}:${CLIENT_PORT}`).join();
  }

  defect(what: string): void {
    this.scheduler.note(`DEFECT ${what}`);
    this.defects.push(what);
    this.#onDefect(what);
  }

  /** A new process on `host`, whose clock may be wrong by `skewMs` more. */
  spawn(
    name: string,
    host: string,
    skewMs: () => number = () => 0,
  ): SimProcess {
    return new SimProcess({
      name: `${name}#${++this.#processCount}`,
      host,
      scheduler: this.scheduler,
      chance: this.chance.fork(),
      wallSkewMs: () => this.wallSkewMs + skewMs(),
      onTrace: (event, fields) => {
        // A coordinator that couldn't write has begun anew from its log.
        const hasFailed = this.machines.some(({ disk }) => disk.hasFailed);
        if (event === LOST_EVENT && !hasFailed) this.watcher.gaveUp(fields);
      },
      onDefect: (what) => this.defect(what),
    });
  }

  /** A new process of a client, with the seams for what it runs. */
  spawnClient(name: string): { process: SimProcess; seams: ClientSeams } {
    const process = this.spawn(name, name);
    const transport = this.network.transport(process);
    return { process, seams: { env: process.env(NO_DISK), transport } };
  }

  /** Lets time pass until `isOver`, at most `ms`; whether it was over. */
  pass(ms: number, isOver: () => boolean = () => false): Promise<boolean> {
    return this.scheduler.run(
      this.scheduler.nowMs + ms,
      () => {
        this.watcher.step();
        return this.defects.length > 0 || isOver();
      },
    );
  }
}

/** Where a node listens, and what it is told of the quorum. */
function nodeConfig(
  nodeId: number,
  { brokerCount, quorum }: Pick<WorldOptions, "brokerCount" | "quorum">,
): Record<string, string> {
  const listeners = `PLAINTEXT://n${nodeId}:${CLIENT_PORT}`;
  if (brokerCount === 1) return { listeners };
  const { voters, begins, isJoining } = quorum;
  const ids = Array.from({ length: voters }, (_, i) => i + 1);
  const controllers = ids.map((id) => `n${id}:${CONTROLLER_PORT}`);
  const own = nodeId <= voters
    ? {
      "listeners":
        `${listeners},${CONTROLLER_LISTENER}://n${nodeId}:${CONTROLLER_PORT}`,
      "controller.quorum.auto.join.enable": String(isJoining),
    }
    : { listeners, "process.roles": "broker" };
  return {
    ...own,
    "controller.listener.names": CONTROLLER_LISTENER,
    ...begins === "configured"
      ? {
        "controller.quorum.voters": controllers
          .map((at, i) => `${ids[i]}@${at}`).join(),
      }
      : { "controller.quorum.bootstrap.servers": controllers.join() },
    "kf.cluster.id": "AAAAAAAAAAAAAAAAAAAAAQ",
  };
}

/**
 * One machine: a disk, and a broker on it as long as one runs.
 *
 * Invariants:
 * 1. At most one process of it lives.
 */
export class Machine {
  readonly host: string;
  readonly disk: SimDisk;
  /** Times at which its broker ended. */
  readonly endsMs: number[] = [];
  /** Times at which it lost power. */
  readonly powerLossesMs: number[] = [];
  /** When records of a topic were last damaged here. */
  readonly damagesMs = new Map<string, number>();
  /** Folders of partitions in which closed segments are damaged. */
  readonly rotten = new Set<string>();
  /** Of its wall clock, beyond that of the others. */
  wallSkewMs = 0;
  #isLacking = false;
  /** Whether it votes alone, and nobody else is known to. */
  #isFirst: boolean;
  readonly nodeId: number;
  readonly #world: World;
  readonly #config: Readonly<Record<string, string>>;
  #process: SimProcess | undefined;
  #broker: Broker | undefined;
  #inside: Inside | undefined;
  /** Whether bits flipped in what tells how far logs are durable. */
  #isMisled = false;

  constructor(world: World, { nodeId, isFirst, config }: {
    readonly nodeId: number;
    readonly isFirst: boolean;
    readonly config: Readonly<Record<string, string>>;
  }) {
    this.host = `n${nodeId}`;
    this.disk = new SimDisk(world.chance.fork());
    this.#world = world;
    this.nodeId = nodeId;
    this.#isFirst = isFirst;
    this.#config = config;
  }

  /** Whether a broker serves here. */
  get isUp(): boolean {
    return this.#broker !== undefined;
  }

  /** Whether a process lives here. */
  get isRunning(): boolean {
    return this.#process?.isAlive === true;
  }

  /** Whether a broker serves here, and nothing that has begun will end it. */
  get isSound(): boolean {
    const { pendingDeath, isFailing } = this.disk;
    return this.isUp && pendingDeath === undefined && !isFailing;
  }

  /** Whether all that it has is elsewhere, too, and there to be had. */
  get isSpare(): boolean {
    const { machines, watcher } = this.#world;
    return machines.every((each) => each === this || each.isSound) &&
      watcher.areAllInSync(this.nodeId);
  }

  /** Whether each of its partitions has somebody else in sync who runs. */
  get isCovered(): boolean {
    const { watcher } = this.#world;
    return watcher.hasOtherInSync(this.nodeId, this.#othersUp);
  }

  /**
   * The same once nothing fails any more: who is merely eligible takes over,
   * too, where what rotted here keeps others from being in sync.
   */
  get isReplaceable(): boolean {
    const { watcher } = this.#world;
    return watcher.hasOtherWhole(this.nodeId, this.#othersUp);
  }

  get #othersUp(): number[] {
    return this.#world.machines
      .filter((each) => each !== this && each.isUp)
      .map(({ nodeId }) => nodeId);
  }

  /**
   * Whether some other one in sync has all that it has, and will not die before
   * this one is back, if nothing dies while it is away.
   */
  get isBarelySpare(): boolean {
    const others = this.#world.machines.filter((each) => each !== this);
    const sound = others
      .filter(({ isSound, rotten }) => isSound && rotten.size === 0)
      .map(({ nodeId }) => nodeId);
    return sound.length === others.length &&
      !others.some((each) => each.#owesRecords) &&
      this.#world.watcher.hasOtherInSync(this.nodeId, sound);
  }

  /**
   * Whether it alone may lead a partition whose last leader lost records: were
   * it to end uncleanly, that one would be elected, as KIP-966 has it.
   */
  get isLastWhole(): boolean {
    const { machines, watcher } = this.#world;
    const lacking = machines.filter((each) => each.#owesRecords);
    return watcher.isLastEligible(
      this.nodeId,
      lacking.map(({ nodeId }) => nodeId),
    );
  }

  /** Whether it lost power, and was not seen to have all again since. */
  get #owesRecords(): boolean {
    if (this.#isLacking && this.isUp) {
      this.#isLacking = !this.#world.watcher.isInSync(this.nodeId);
    }
    return this.#isLacking;
  }

  /** Starts a broker; it may die of it, or give up. */
  start(): void {
    const world = this.#world;
    const process = world.spawn(
      this.host,
      this.host,
      () => this.wallSkewMs,
    );
    this.#process = process;
    process.onDeath((death) => this.#onDeath(death));
    this.disk.hasFailed = false;
    this.#inside = undefined;
    const starting = Broker.start({
      env: process.env(this.disk.mount(process)),
      transport: world.network.transport(process),
      config: resolveBrokerConfig(
        new Map([
          ["node.id", String(this.nodeId)],
          ["log.dirs", "/data/kf"],
          ...Object.entries(this.#config),
          ...this.#firstConfig(),
        ]),
      ),
      onComposed: (composed) => {
        this.#inside = composed;
        world.watcher.attach({ ...composed, nodeId: this.nodeId, process });
      },
      onFatal: (error) => {
        if (!this.disk.hasFailed && !isDeath(error)) {
          world.defect(`${process.name} gave up: ${text(error)}`);
        }
        world.scheduler.after(0, () => process.die("killed"), process);
      },
    });
    starting.then((broker) => {
      if (!process.isAlive) return;
      world.scheduler.note(`${process.name} is up`);
      this.#lookAtLogs();
      if (
        this.#inside!.metadata.image.broker(this.nodeId)?.isFenced !== false
      ) {
        world.defect(`${process.name} takes clients, and is fenced`);
      }
      this.#broker = broker;
      this.#isFirst = false;
    }, (error) => {
      if (!process.isAlive) return;
      if (!this.disk.hasFailed) {
        world.defect(`${process.name} did not start: ${text(error)}`);
      }
      process.die("killed");
    });
  }

  /** Who is told of nobody else begins the cluster, until it has begun. */
  #firstConfig(): [string, string][] {
    const key = "controller.quorum.bootstrap.servers";
    return this.#isFirst ? [[key, `${this.host}:${CONTROLLER_PORT}`]] : [];
  }

  /** Ends the process, or the machine's power. */
  die(death: Death): void {
    if (this.isRunning) this.#process!.die(death);
    else if (death === "power lost") this.#losePower();
  }

  /** Bits flip while no process runs. */
  rot(options: RotOptions): void {
    const { scheduler, watcher } = this.#world;
    for (const topic of rot(this.disk.root, options)) {
      this.damagesMs.set(topic, scheduler.nowMs);
      watcher.forgetStable();
    }
    this.#isMisled ||= options.checkpoints;
    scheduler.note(`${this.host} rots`);
  }

  /** The same in the newest snapshots of producers: what is older is believed. */
  rotSnapshots(chance: Chance): void {
    rotSnapshots(this.disk.root, chance);
    this.#world.scheduler.note(`${this.host} rots in its snapshots`);
  }

  /** A bit flips in a closed segment of `topics`, whether a process runs or not. */
  rotClosed(options: Pick<RotOptions, "chance" | "topics">): void {
    const folder = rotClosed(this.disk.root, options);
    if (folder === undefined) return;
    this.rotten.add(folder);
    this.#world.scheduler.note(`${this.host} rots in ${folder}`);
  }

  /** What is rotten is removed while no process runs: the others have it. */
  discardRotten(): void {
    for (const folder of this.rotten) {
      removeFolder(this.disk.root, folder);
      this.#world.scheduler.note(`${this.host} begins anew in ${folder}`);
    }
    this.rotten.clear();
  }

  /** Stops the broker in order; it is dead then. */
  async stop(): Promise<void> {
    const process = this.#process;
    try {
      await this.#broker?.stop();
    } catch (error) {
      // Power may fail meanwhile: what it ends says so in its own way.
      const hasDied = isDeath(error) || process?.isAlive === false;
      if (!this.disk.hasFailed && !hasDied) {
        this.#world.defect(`${process?.name} did not stop: ${text(error)}`);
      }
    }
    process?.die("killed");
  }

  #onDeath(death: Death): void {
    this.#broker = undefined;
    this.endsMs.push(this.#world.scheduler.nowMs);
    this.#lookAtLogs();
    if (death === "power lost") this.#losePower();
  }

  /** What counts as durable is so: nobody notices before the power is gone. */
  #lookAtLogs(): void {
    if (this.#isMisled) return;
    for (const log of this.#inside?.folder.logs.values() ?? []) {
      const why = whyVolatile(this.disk.root, log);
      if (why !== undefined) this.#world.defect(`${this.host}: ${why}`);
    }
  }

  #losePower(): void {
    this.#world.scheduler.note(`${this.host} has no power`);
    this.#world.watcher.forgetStable();
    this.#isLacking = true;
    this.disk.losePower();
    this.powerLossesMs.push(this.#world.scheduler.nowMs);
  }
}

function text(error: unknown): string {
  return error instanceof Error ? error.stack ?? error.message : String(error);
}

/** Clients write nothing. */
const NO_DISK: Disk = new Proxy({} as Disk, {
  get() {
    throw new Error("A client must not use a disk");
  },
});
