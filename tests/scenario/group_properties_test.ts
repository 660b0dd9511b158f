/**
 * Random members of one group: whatever they do, generations grow, no two
 * members of a generation are told the same part, the last successful commit
 * is what is read, and the log alone gives the same state.
 *
 * @module
 */
import { assert, assertEquals } from "@std/assert";
import fc from "fast-check";
import type {
  GroupReply,
  GroupRequest,
  JoinReply,
  SyncReply,
} from "../../core/group/inputs.ts";
import type { Group } from "../../core/group/group.ts";
import { GroupMachine } from "../../core/group/machine.ts";
import { DEFAULTS, GroupWorld } from "./group_world.ts";

const T0 = { topic: "t", partition: 0 };

interface Client {
  memberId: string;
  generation: number;
  members: readonly string[];
  isWaiting: boolean;
}

const stepArbitrary = fc.record({
  who: fc.nat(4),
  what: fc.constantFrom(
    "join",
    "join",
    "sync",
    "sync",
    "heartbeat",
    "leave",
    "commit",
    "advance",
    "crash",
    "restart",
  ),
  amount: fc.nat(8000),
});

class RandomGroup {
  readonly world = new GroupWorld();
  readonly clients: Client[] = Array.from({ length: 5 }, () => fresh());
  readonly told = new Map<string, string>();
  committed: number | undefined;
  generation = 0;

  async step(
    { who, what, amount }: { who: number; what: string; amount: number },
  ): Promise<void> {
    const client = this.clients[who]!;
    if (what === "advance") await this.world.advance(amount);
    else if (what === "crash") this.clients[who] = fresh();
    else if (what === "restart") {
      this.world.restart();
      for (const each of this.clients) each.isWaiting = false;
      this.generation = 0;
    } else if (!client.isWaiting) this.#ask(client, { who, what, amount });
    await this.world.settle();
    this.check();
  }

  check(): void {
    const group = this.world.machine.group("g");
    if (group === undefined) return;
    assert(group.generation >= this.generation, "generations grow");
    this.generation = group.generation;
    assert(group.leader === null || group.members.has(group.leader));
    const offset = this.world.machine.offset("g", T0)?.offset;
    assertEquals(offset, this.committed);
  }

  /** The log alone must say what is known live. */
  checkReplay(): void {
    const replayed = new GroupMachine(DEFAULTS, this.world.topics);
    for (const change of this.world.changes()) replayed.apply(change);
    const live = this.world.machine.group("g");
    assertEquals(
      replayed.offset("g", T0),
      this.world.machine.offset("g", T0),
    );
    if (live?.state !== "Stable") return;
    assertEquals(stored(replayed.group("g")!), stored(live));
  }

  #ask(
    client: Client,
    { who, what, amount }: { who: number; what: string; amount: number },
  ): void {
    const { world } = this;
    const { memberId, generation } = client;
    const member = { groupId: "g", memberId, groupInstanceId: null };
    if (what === "join") this.#join(client, who);
    else if (what === "sync") this.#sync(client);
    else if (what === "heartbeat") {
      world.submit(
        { type: "Heartbeat", ...member, generationId: generation },
        () => {},
      );
    } else if (what === "leave") {
      world.submit(
        { type: "LeaveGroup", groupId: "g", members: [member] },
        () => {},
      );
    } else {
      world.submit({
        type: "OffsetCommit",
        ...member,
        generationId: generation,
        knowsEpochs: true,
        offsets: [{
          topic: "t",
          partition: 0,
          offset: amount,
          leaderEpoch: -1,
          metadata: "",
        }],
      }, (reply) => {
        const isDone = reply !== null && "errors" in reply &&
          reply.errors[0] === "NONE";
        if (isDone) this.committed = amount;
      });
    }
  }

  #join(client: Client, who: number): void {
    const onReply = (reply: JoinReply | SyncReply): void => {
      const { error, memberId, generationId, members } = reply as JoinReply;
      client.isWaiting = false;
      client.memberId = error === "UNKNOWN_MEMBER_ID" ? "" : memberId;
      if (error !== "NONE") return;
      client.generation = generationId;
      client.members = members.map((each) => each.memberId);
    };
    this.#park(client, onReply, (token) => ({
      type: "JoinGroup",
      token,
      groupId: "g",
      memberId: client.memberId,
      groupInstanceId: null,
      clientId: `c${who}`,
      clientHost: "/h",
      sessionTimeoutMs: 10_000,
      rebalanceTimeoutMs: 20_000,
      protocolType: "consumer",
      protocols: [{ name: "range", metadata: Uint8Array.of(who) }],
      newMemberSuffix: String(token),
      requiresKnownMemberId: true,
      canSkipAssignment: true,
    }));
  }

  #sync(client: Client): void {
    const { memberId, generation } = client;
    const onReply = (reply: JoinReply | SyncReply): void => {
      const { error, assignment } = reply as SyncReply;
      client.isWaiting = false;
      if (error !== "NONE" || assignment.length === 0) return;
      const part = `${generation}:${assignment[0]}`;
      const owner = this.told.get(part) ?? memberId;
      assertEquals(owner, memberId, `${part} has one owner`);
      this.told.set(part, memberId);
    };
    this.#park(client, onReply, (token) => ({
      type: "SyncGroup",
      token,
      groupId: "g",
      memberId,
      groupInstanceId: null,
      generationId: generation,
      protocolType: null,
      protocolName: null,
      assignments: client.members.map((id, i) => ({
        memberId: id,
        assignment: Uint8Array.of(i),
      })),
    }));
  }

  #park(
    client: Client,
    onReply: (reply: JoinReply | SyncReply) => void,
    requestOf: (token: number) => GroupRequest,
  ): void {
    client.isWaiting = true;
    const token = this.world.token(onReply);
    this.world.submit(requestOf(token), (reply) => {
      if (reply instanceof Error) client.isWaiting = false;
      else if (reply !== null) onReply(reply as GroupReply & SyncReply);
    });
  }
}

function fresh(): Client {
  return { memberId: "", generation: -1, members: [], isWaiting: false };
}

/** What of a group the log holds. */
function stored(group: Group) {
  return {
    state: group.state,
    generation: group.generation,
    protocol: group.protocol,
    protocolType: group.protocolType,
    leader: group.leader,
    members: [...group.members.values()].map((each) => ({
      memberId: each.memberId,
      sessionTimeoutMs: each.sessionTimeoutMs,
      rebalanceTimeoutMs: each.rebalanceTimeoutMs,
      assignment: each.assignment,
      protocols: each.protocols,
    })),
  };
}

Deno.test("a group survives whatever its members do", async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(stepArbitrary, { minLength: 20, maxLength: 120 }),
      async (steps) => {
        const group = new RandomGroup();
        for (const step of steps) {
          await group.step(step);
          group.checkReplay();
        }
      },
    ),
    { numRuns: 60 },
  );
});
