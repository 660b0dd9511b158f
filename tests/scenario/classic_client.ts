/**
 * A client of the classic protocol for simulations: it gives back all it has
 * before it joins, syncs, and divides the partitions when it leads. Owns what
 * it knows; says nothing by itself.
 *
 * @module
 */
import {
  decodeAssignment,
  encodeAssignment,
  encodeSubscription,
} from "../../core/assign/protocol.ts";
import { RANGE } from "../../core/assign/range.ts";
import { KafkaError } from "../../core/errors.ts";
import type {
  ErrorReply,
  GroupReply,
  JoinReply,
  SyncReply,
} from "../../core/group/inputs.ts";
import { topicId } from "./consumer_words.ts";
import type { GroupWorld } from "./group_world.ts";

const TOPICS = ["t", "u"];
const REFERENCE = { groupId: "g", groupInstanceId: null };

/** One client. */
export class ClassicClient {
  memberId = "";
  readonly owned = new Set<string>();
  nextBeatMs: number;
  readonly #world: GroupWorld;
  #generationId = -1;
  #next: "join" | "sync" | "heartbeat" = "join";
  #lead: JoinReply["members"] = [];
  #isWaiting = false;

  constructor(world: GroupWorld) {
    this.#world = world;
    this.nextBeatMs = world.nowMs;
  }

  /** Says what is next, unless it waits for an answer. */
  async speak(intervalMs: number): Promise<void> {
    this.nextBeatMs = this.#world.nowMs + intervalMs;
    if (this.#isWaiting) return;
    if (this.#next === "join") this.#join();
    else if (this.#next === "sync") this.#sync();
    else this.#heartbeat();
    await this.#world.settle();
  }

  /** Its connection is gone: whatever it waits for will not come. */
  reconnect(): void {
    if (this.#isWaiting) this.#again("join");
  }

  /** It saw that topics changed, which a classic leader has to see itself. */
  refresh(): void {
    if (!this.#isWaiting) this.#again("join");
  }

  leave(): void {
    const members = [{ memberId: this.memberId, groupInstanceId: null }];
    this.#world.submit({ type: "LeaveGroup", groupId: "g", members }, () => {});
  }

  #join(): void {
    this.owned.clear();
    const token = this.#park((reply) => this.#joined(reply as JoinReply));
    this.#world.submit({
      type: "JoinGroup",
      ...REFERENCE,
      token,
      memberId: this.memberId,
      clientId: "c",
      clientHost: "/h",
      sessionTimeoutMs: 10_000,
      rebalanceTimeoutMs: 20_000,
      protocolType: "consumer",
      protocols: [{
        name: "range",
        metadata: encodeSubscription({ topics: TOPICS }),
      }],
      newMemberSuffix: String(token),
      requiresKnownMemberId: true,
      canSkipAssignment: true,
    }, (reply) => this.#answered(reply, (it) => this.#joined(it as JoinReply)));
  }

  #joined({ error, memberId, generationId, leader, members }: JoinReply): void {
    if (error === "NONE") {
      this.memberId = memberId;
      this.#generationId = generationId;
      this.#lead = leader === memberId ? members : [];
      this.#again("sync");
    } else if (error === "MEMBER_ID_REQUIRED") {
      this.memberId = memberId;
      this.#again("join");
    } else this.#refused(error);
  }

  #sync(): void {
    const token = this.#park((reply) => this.#synced(reply as SyncReply));
    this.#world.submit({
      type: "SyncGroup",
      ...REFERENCE,
      token,
      memberId: this.memberId,
      generationId: this.#generationId,
      protocolType: null,
      protocolName: null,
      assignments: this.#divided(),
    }, (reply) => this.#answered(reply, (it) => this.#synced(it as SyncReply)));
  }

  #divided() {
    const counts = new Map(
      TOPICS.map((name) => [
        name,
        this.#world.topics.topic(name)?.partitions.length ?? 0,
      ]),
    );
    const members = this.#lead.map(({ memberId }) => ({
      memberId,
      groupInstanceId: null,
      topics: TOPICS,
      userData: null,
      ownedPartitions: [],
      generationId: -1,
    }));
    return Array.from(RANGE.assign(members, counts), ([memberId, list]) => ({
      memberId,
      assignment: encodeAssignment({
        assignedPartitions: TOPICS.map((topic) => ({
          topic,
          partitions: list.filter((each) => each.topic === topic)
            .map(({ partition }) => partition),
        })),
      }),
    }));
  }

  #synced({ error, assignment }: SyncReply): void {
    if (error !== "NONE") return this.#refused(error);
    if (assignment.length > 0) {
      for (
        const { topic, partitions } of decodeAssignment(assignment)
          .assignedPartitions
      ) {
        for (const index of partitions) {
          this.owned.add(`${topicId(topic)}:${index}`);
        }
      }
    }
    this.#again("heartbeat", false);
  }

  #heartbeat(): void {
    this.#isWaiting = true;
    this.#world.submit({
      type: "Heartbeat",
      ...REFERENCE,
      memberId: this.memberId,
      generationId: this.#generationId,
    }, (reply) =>
      this.#answered(reply, (it) => {
        const { error } = it as ErrorReply;
        if (error === "NONE") this.#again("heartbeat", false);
        else this.#refused(error);
      }));
  }

  #park(onReply: (reply: JoinReply | SyncReply) => void): number {
    this.#isWaiting = true;
    return this.#world.token(onReply);
  }

  #answered(
    reply: GroupReply | KafkaError,
    onReply: (reply: GroupReply) => void,
  ): void {
    if (reply instanceof KafkaError) this.#again("join");
    else if (reply !== null) onReply(reply);
  }

  #refused(error: string): void {
    this.owned.clear();
    if (error === "UNKNOWN_MEMBER_ID") this.memberId = "";
    this.#again("join");
  }

  #again(next: "join" | "sync" | "heartbeat", isAtOnce = true): void {
    this.#next = next;
    this.#isWaiting = false;
    if (isAtOnce) this.nextBeatMs = this.#world.nowMs;
  }
}
