/**
 * Requests between brokers that arrive when nobody counts on them any more, as
 * after a connection lost packets for long: who sent one has given it up and
 * asked again, or is another process by then. Owns which request is held back,
 * and what becomes of the broker that it is about; it must never change one.
 *
 * | held back      | meanwhile the follower           | what must not count              |
 * | -------------- | -------------------------------- | -------------------------------- |
 * | AlterPartition | comes back as another process    | the incarnation that it names    |
 * | AlterPartition | gets nothing, all records go on  | a high watermark beyond its log  |
 * | Fetch          | comes back as another process    | the incarnation that has fetched |
 *
 * @module
 */
import { ALTER_PARTITION } from "../../net/wire/56_alter_partition.ts";
import { FETCH } from "../../net/wire/01_fetch.ts";
import { Chance } from "./chance.ts";
import type { SentRequest } from "./network.ts";
import { CLIENT_PORT, type Machine, type World } from "./world.ts";

/** The stream of what is held back, and for how long. */
const STREAM = 5;

/** What is waited for. */
type Kind = "stale proposal" | "slow proposal" | "stale fetch";

/** A fetch is there at once, a proposal has to come up. */
const KINDS: readonly Kind[] = [
  "stale proposal",
  "stale proposal",
  "slow proposal",
  "slow proposal",
  "stale fetch",
];

/** A leader's proposals that all come late. */
interface Held {
  readonly leader: Machine;
  readonly untilMs: number;
}

/** Two that are to hear nothing of each other. */
interface Pair {
  readonly follower: Machine;
  readonly leader: Machine;
}

/** Holds requests back, one at a time. */
export class LateRequests {
  readonly #world: World;
  readonly #chance: Chance;
  readonly #armed = new Set<Kind>();
  /** Until then what was held back last is to have come, and nothing else is. */
  #busyMs = 0;
  #held: Held | undefined;

  constructor(world: World) {
    this.#world = world;
    this.#chance = new Chance(world.chance.seed, STREAM);
  }

  /** The next request of some kind comes late. */
  arm(): void {
    this.#armed.add(this.#chance.pick(KINDS));
    this.#world.network.holdBack = (request) => this.#holdMs(request);
  }

  /** How much later than others `request` is to come. */
  #holdMs({ from, to, apiKey }: SentRequest): number {
    const { machines, scheduler } = this.#world;
    const sender = machines.find(({ host }) => host === from);
    const receiver = machines.find(({ host }) => host === to.host);
    if (sender === undefined || receiver === undefined) return 0;
    if (apiKey === ALTER_PARTITION.key) {
      const { leader, untilMs = 0 } = this.#held ?? {};
      const leftMs = untilMs - scheduler.nowMs;
      if (leader === sender && leftMs > 0) return leftMs;
      return this.isBusy ? 0 : this.#holdProposal(sender);
    }
    return apiKey === FETCH.key && to.port === CLIENT_PORT && !this.isBusy
      ? this.#holdFetch(sender, receiver)
      : 0;
  }

  /** Whoever is cut off from another is still heard of by the controller. */
  #areOthers(...machines: readonly Machine[]): boolean {
    const { controllerId } = this.#world.watcher;
    return machines.every(({ nodeId, isUp }) =>
      isUp && nodeId !== controllerId
    );
  }

  #holdProposal(leader: Machine): number {
    const joining = this.#world.watcher.joining(leader.nodeId);
    const follower = this.#world.machines.find((each) =>
      joining.has(each.nodeId) && this.#areOthers(each, leader)
    );
    if (follower === undefined) return 0;
    if (!this.#armed.has("slow proposal")) {
      return this.#comeBack("stale proposal", { follower, leader });
    }
    this.#armed.delete("slow proposal");
    const ms = this.#chance.int(500, 1_500);
    this.#held = { leader, untilMs: this.#world.scheduler.nowMs + ms };
    this.#part("slow proposal", { follower, leader, lateMs: ms });
    return ms;
  }

  #holdFetch(follower: Machine, leader: Machine): number {
    if (!this.#areOthers(follower, leader)) return 0;
    return this.#comeBack("stale fetch", { follower, leader });
  }

  /** Another process of the follower is up when the request comes. */
  #comeBack(kind: Kind, pair: Pair): number {
    const { machines, scheduler } = this.#world;
    if (!this.#armed.has(kind) || !machines.every(({ isUp }) => isUp)) return 0;
    this.#armed.delete(kind);
    const ms = this.#chance.int(1_500, 3_500);
    this.#part(kind, { ...pair, lateMs: ms });
    const { follower } = pair;
    scheduler.after(0, () => void this.#restart(follower));
    return ms;
  }

  /** It is away for long enough that a leader who asks again is refused. */
  async #restart(follower: Machine): Promise<void> {
    await follower.stop();
    const { network, watcher, machines } = this.#world;
    const controller = machines
      .find(({ nodeId }) => nodeId === watcher.controllerId);
    const isPeace = network.holdBack === undefined;
    if (controller === undefined || isPeace) return;
    const awayMs = this.#chance.int(200, 1_000);
    network.clog(follower.host, controller.host, awayMs);
  }

  /** Nothing gets from one to the other until after the request has come. */
  #part(
    kind: Kind,
    { follower, leader, lateMs }: Pair & { readonly lateMs: number },
  ): void {
    const { network, scheduler } = this.#world;
    const ms = lateMs + this.#chance.int(200, 1_000);
    this.#busyMs = scheduler.nowMs + ms;
    network.clog(follower.host, leader.host, ms);
    network.clog(leader.host, follower.host, ms);
    const pair = `${follower.host} and ${leader.host}`;
    scheduler.note(`a ${kind} of ${pair} is late by ${lateMs} ms`);
  }

  /** Whether something is held back: what it is about is to stay so. */
  get isBusy(): boolean {
    return this.#world.scheduler.nowMs < this.#busyMs;
  }
}
