/**
 * Random members of one consumer group over 64 partitions, on virtual time:
 * they join, leave, crash, return, change their minds and lose what they say
 * or are told, while the coordinator restarts. Owns the members and the
 * checks; what happens is the product's, and the seed says all.
 *
 * @module
 */
import { assert, assertEquals } from "@std/assert";
import { KafkaError } from "../../core/errors.ts";
import {
  type ConsumerGroup,
  type ConsumerMember,
  stateOf,
} from "../../core/group/consumer_group.ts";
import type {
  ConsumerHeartbeatInput,
  ConsumerHeartbeatReply,
} from "../../core/group/inputs.ts";
import { GroupMachine } from "../../core/group/machine.ts";
import type { GroupRecord } from "../../core/group/records.ts";
import { ClassicClient } from "./classic_client.ts";
import { heartbeatOf, topicId } from "./consumer_words.ts";
import { DEFAULTS, GroupWorld } from "./group_world.ts";

const TOPICS: readonly (readonly [name: string, partitions: number])[] = [
  ["t", 48],
  ["u", 16],
];
const MEMBERS_MAX = 12;
const HEARTBEAT_MS = 5000;
const SESSION_MS = 45_000;

/** Numbers from 0 to 1 that a seed gives (mulberry32). */
function randomOf(seed: number): () => number {
  let state = seed;
  return () => {
    state = state + 0x6d2b79f5 | 0;
    let bits = Math.imul(state ^ state >>> 15, 1 | state);
    bits = bits + Math.imul(bits ^ bits >>> 7, 61 | bits) ^ bits;
    return ((bits ^ bits >>> 14) >>> 0) / 2 ** 32;
  };
}

/** A client as Kafka's are: it gives back first, then takes. */
class Client {
  epoch = 0;
  readonly owned = new Set<string>();
  /** What it says next has all fields, since an answer was lost. */
  isUnsure = false;
  topics: readonly string[] = ["t", "u"];
  nextBeatMs: number;

  constructor(
    readonly memberId: string,
    readonly instanceId: string | null,
    nowMs: number,
  ) {
    this.nextBeatMs = nowMs;
  }

  request(): ConsumerHeartbeatInput {
    const isWhole = this.epoch === 0 || this.isUnsure;
    const args = new Map([["epoch", String(this.epoch)]]);
    const request = heartbeatOf(this.memberId, args);
    const { topics, instanceId } = this;
    return {
      ...request,
      instanceId,
      ...isWhole
        ? { rebalanceTimeoutMs: 30_000, subscribedTopicNames: topics }
        : { subscribedTopicNames: topics },
      topicPartitions: this.epoch === 0 ? [] : this.reported(),
    };
  }

  reported() {
    const byTopic = new Map<string, number[]>();
    for (const name of this.owned) {
      const [id = "", index] = name.split(":");
      const partitions = byTopic.get(id) ?? [];
      byTopic.set(id, [...partitions, Number(index)]);
    }
    return Array.from(byTopic, ([id, partitions]) => ({
      topicId: id,
      partitions,
    }));
  }

  /** Whether it has something to say at once. */
  hear(reply: ConsumerHeartbeatReply): boolean {
    this.epoch = reply.memberEpoch;
    this.isUnsure = false;
    if (reply.assignment === null) return false;
    const told = new Set(
      reply.assignment.flatMap(({ topicId, partitions }) =>
        partitions.map((index) => `${topicId}:${index}`)
      ),
    );
    const before = [...this.owned].sort().join();
    this.owned.clear();
    for (const name of told) this.owned.add(name);
    return before !== [...told].sort().join();
  }

  startOver(): void {
    this.epoch = 0;
    this.owned.clear();
  }
}

/** One run; everything in it follows from the seed. */
export class ConsumerSimulation {
  readonly seed: number;
  readonly #world = new GroupWorld();
  readonly #random: () => number;
  #clients: (Client | ClassicClient)[] = [];
  #nextMember = 1;
  #lossRate = 0.1;
  readonly #classicRate: number;

  /** `classicRate` of the members speak the classic protocol. */
  constructor(seed: number, { classicRate = 0 } = {}) {
    this.seed = seed;
    this.#classicRate = classicRate;
    this.#random = randomOf(seed);
    for (const [name, partitions] of TOPICS) {
      this.#world.topics.set(name, partitions);
    }
  }

  /** Chaos for so many steps, then calm, in which all must settle. */
  async run(steps: number): Promise<void> {
    try {
      for (let i = 0; i < steps; i++) {
        await this.#chaos();
        this.#check();
      }
      this.#checkReplay();
      await this.#calm();
    } catch (cause) {
      throw new Error(`seed ${this.seed}: ${(cause as Error).message}`, {
        cause,
      });
    }
  }

  get #group(): ConsumerGroup | undefined {
    return this.#world.machine.consumerGroup("g");
  }

  #pick<T>(items: readonly T[]): T | undefined {
    return items[Math.floor(this.#random() * items.length)];
  }

  async #chaos(): Promise<void> {
    const dice = this.#random();
    const client = this.#pick(this.#clients);
    if (dice < 0.08) this.#join();
    else if (dice < 0.11 && client !== undefined) await this.#leave(client);
    else if (dice < 0.13 && client !== undefined) this.#forget(client);
    else if (dice < 0.15 && client !== undefined) {
      if (client instanceof Client) {
        client.topics = this.#pick([["t"], ["u"], ["t", "u"], []])!;
      }
    } else if (dice < 0.16) this.#restart();
    else if (dice < 0.17) {
      const [name, partitions] = this.#pick(TOPICS)!;
      this.#world.topics.set(
        name,
        partitions - Math.floor(this.#random() * partitions / 2),
      );
    } else await this.#pass(Math.floor(1000 * this.#random()));
    await this.#world.settle();
  }

  #restart(): void {
    this.#world.restart();
    for (const client of this.#clients) {
      if (client instanceof ClassicClient) client.reconnect();
    }
  }

  #join(): void {
    if (this.#clients.length >= MEMBERS_MAX) return;
    if (this.#random() < this.#classicRate) {
      this.#clients.push(new ClassicClient(this.#world));
      return;
    }
    const number = this.#nextMember++;
    const instance = this.#random() < 0.4 ? `i${number % 4}` : null;
    const isTaken = this.#clients.some((each) =>
      each instanceof Client && each.instanceId === instance
    );
    this.#clients.push(
      new Client(
        `m${number}`,
        instance === null || isTaken ? null : instance,
        this.#world.nowMs,
      ),
    );
  }

  async #leave(client: Client | ClassicClient): Promise<void> {
    this.#forget(client);
    if (client instanceof ClassicClient) return client.leave();
    const returns = client.instanceId !== null && this.#random() < 0.7;
    await this.#say({
      ...client.request(),
      memberEpoch: returns ? -2 : -1,
    });
  }

  /** It is gone without a word. */
  #forget(client: Client | ClassicClient): void {
    this.#clients = this.#clients.filter((each) => each !== client);
  }

  /** Lets time pass, and everyone whose turn it is speak. */
  async #pass(ms: number): Promise<void> {
    const endMs = this.#world.nowMs + ms;
    for (;;) {
      const due = this.#clients.filter(({ nextBeatMs }) => nextBeatMs <= endMs)
        .sort((a, b) => a.nextBeatMs - b.nextBeatMs)[0];
      if (due === undefined) break;
      const waitMs = Math.max(0, due.nextBeatMs - this.#world.nowMs);
      await this.#world.advance(waitMs);
      if (due instanceof Client) await this.#beat(due);
      else await due.speak(HEARTBEAT_MS);
      this.#check();
    }
    await this.#world.advance(Math.max(0, endMs - this.#world.nowMs));
  }

  async #beat(client: Client): Promise<void> {
    client.nextBeatMs = this.#world.nowMs + HEARTBEAT_MS;
    const isRequestLost = this.#random() < this.#lossRate;
    if (isRequestLost) {
      client.isUnsure = true;
      return;
    }
    const reply = await this.#say(client.request());
    if (this.#random() < this.#lossRate) {
      client.isUnsure = true;
    } else if (reply instanceof KafkaError) {
      if (reply.error === "UNRELEASED_INSTANCE_ID") return;
      client.startOver();
      client.nextBeatMs = this.#world.nowMs;
      if (reply.error === "FENCED_INSTANCE_ID") this.#forget(client);
    } else if (client.hear(reply)) {
      // What changed is said at once, as clients do.
      client.nextBeatMs = this.#world.nowMs;
    }
  }

  async #say(
    request: ConsumerHeartbeatInput,
  ): Promise<ConsumerHeartbeatReply | KafkaError> {
    let heard: ConsumerHeartbeatReply | KafkaError | undefined;
    this.#world.submit(request, (reply) => {
      heard = reply as ConsumerHeartbeatReply | KafkaError;
    });
    await this.#world.settle();
    assert(heard !== undefined, "every heartbeat is answered");
    return heard;
  }

  /** Nothing is lost any more: all is divided before long. */
  async #calm(): Promise<void> {
    this.#lossRate = 0;
    if (this.#clients.length === 0) this.#join();
    for (const client of this.#clients) {
      if (client instanceof Client) client.topics = ["t", "u"];
      else client.refresh();
    }
    // Silent ones are out after a session; a few rounds divide the rest.
    const rounds = this.#classicRate === 0 ? 3 : 9;
    await this.#pass(SESSION_MS + rounds * HEARTBEAT_MS);
    this.#check();
    const { machine } = this.#world;
    const group = this.#group ?? machine.group("g")!;
    assertEquals("epoch" in group ? stateOf(group) : group.state, "Stable");
    assertEquals(
      [...group.members.keys()].sort(),
      this.#clients.map(({ memberId }) => memberId).sort(),
    );
    const all = this.#clients.flatMap(({ owned }) => [...owned]);
    const wanted = TOPICS.flatMap(([name]) =>
      Array.from(
        { length: this.#world.topics.topic(name)!.partitions.length },
        (_, index) => `${topicId(name)}:${index}`,
      )
    );
    assertEquals(all.sort(), wanted.sort());
  }

  /** Never two owners of a partition, and nobody owns what it was not given. */
  #check(): void {
    const group = this.#group;
    if (group === undefined) return;
    assert(group.assignmentEpoch <= group.epoch, "targets are not ahead");
    const owners = new Map<string, string>();
    for (const member of group.members.values()) {
      assert(member.epoch <= group.assignmentEpoch, "members are not ahead");
      for (const name of held(member)) {
        const other = owners.get(name);
        assert(
          other === undefined,
          `${name} is ${other}'s and ${member.memberId}'s`,
        );
        owners.set(name, member.memberId);
        const [id = "", index] = name.split(":");
        assertEquals(group.ownerOf(id, Number(index)), member.memberId);
      }
    }
    for (const { memberId, owned } of this.#clients) {
      if (!group.members.has(memberId)) continue;
      for (const name of owned) assertEquals(owners.get(name), memberId);
    }
  }

  /** The log alone tells what is known live, however far it is compacted. */
  #checkReplay(): void {
    const live = this.#group;
    const records = [...this.#world.records()];
    const cuts = Array.from(
      { length: 4 },
      () => Math.floor(this.#random() * records.length),
    );
    for (const cut of [0, ...cuts, records.length]) {
      const machine = new GroupMachine(DEFAULTS, this.#world.topics);
      for (const record of compacted(records, cut)) machine.apply(record);
      const replayed = machine.consumerGroup("g");
      assertEquals(replayed && stored(replayed), live && stored(live));
    }
  }
}

/** Of each key below `cut` the last record alone, and no tombstone. */
function compacted(
  records: readonly GroupRecord[],
  cut: number,
): GroupRecord[] {
  const keyOf = ({ type, key }: GroupRecord) => JSON.stringify([type, key]);
  const last = new Map<string, number>();
  records.slice(0, cut).forEach((each, i) => last.set(keyOf(each), i));
  return records.filter((each, i) =>
    i >= cut || last.get(keyOf(each)) === i && each.value !== null
  );
}

function held({ assigned, pendingRevocation }: ConsumerMember): string[] {
  return [...assigned, ...pendingRevocation].flatMap(([id, epochs]) =>
    Array.from(epochs.keys(), (index) => `${id}:${index}`)
  );
}

/** What of a group the log holds. */
function stored(group: ConsumerGroup) {
  const { epoch, metadataHash, assignmentEpoch, statics, targets } = group;
  return {
    epoch,
    metadataHash,
    assignmentEpoch,
    statics: new Map([...statics].sort()),
    members: new Map([...group.members].sort()),
    targets: new Map([...targets].sort()),
  };
}
