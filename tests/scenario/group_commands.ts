/**
 * The words of group scenarios: each command becomes a request, each answer a
 * line. Owns the wording only.
 *
 * @module
 */
import { KafkaError } from "../../core/errors.ts";
import type {
  ConsumerGroupConfig,
  GroupConfig,
  GroupReply,
  GroupRequest,
  JoinReply,
  SyncReply,
} from "../../core/group/inputs.ts";
import {
  assignmentsOf,
  consumerGroupLines,
  heartbeatLine,
  heartbeatOf,
  protocolText,
  subscriptionOf,
} from "./consumer_words.ts";
import type { Command } from "./datadriven.ts";
import { DEFAULTS, GroupWorld } from "./group_world.ts";

const UTF8 = new TextEncoder();

/** Runs group commands against a fresh coordinator. */
export class GroupCommands {
  #world = new GroupWorld();
  #lines: string[] = [];
  #nextMember = 1;

  /** What the command made happen, a line each. */
  async run(command: Command): Promise<string[]> {
    this.#lines = [];
    await this.#dispatch(command);
    await this.#world.settle();
    return this.#lines;
  }

  async #dispatch(command: Command): Promise<void> {
    const { name, words, args } = command;
    switch (name) {
      case "config":
        this.#world = new GroupWorld(configOf(args));
        return;
      case "join":
        return this.#join(command);
      case "sync":
        return this.#sync(command);
      case "advance":
        return await this.#world.advance(Number(words[0]));
      case "hold":
        return this.#world.hold(true);
      case "commit-log":
        return this.#world.hold(false);
      case "restart":
        return this.#world.restart();
      case "show":
        return this.#show(args.get("group") ?? "g");
      case "topic":
        return this.#world.topics.set(words[0]!, Number(words[1]));
      case "log":
        return this.#printLog(Number(words[0] ?? 0));
      default:
        return this.#ask(command, requestOf(command));
    }
  }

  #ask({ name, words }: Command, request: GroupRequest): void {
    const who = words[0] === undefined ? name : `${words[0]}: ${name}`;
    this.#world.submit(request, (reply) => {
      for (const line of replyLines(reply)) this.#lines.push(`${who} ${line}`);
    });
  }

  #join({ words, args }: Command): void {
    const who = words[0]!;
    const onReply = (reply: GroupReply | KafkaError) => {
      if (reply === null) return;
      this.#lines.push(`${who}: join ${joinLine(reply as JoinReply)}`);
    };
    const version = Number(args.get("version") ?? 9);
    const session = Number(args.get("session") ?? 10_000);
    const request: GroupRequest = {
      type: "JoinGroup",
      groupId: args.get("group") ?? "g",
      token: this.#world.token(onReply),
      ...reference(args),
      clientId: who,
      clientHost: "/h",
      sessionTimeoutMs: session,
      rebalanceTimeoutMs: Number(args.get("rebalance") ?? 30_000),
      protocolType: args.get("type") ?? "consumer",
      protocols: pairs(args.get("protocols") ?? `range:${who}`)
        .map(([name, text]) => ({
          name,
          metadata: args.has("topics")
            ? subscriptionOf(args.get("topics")!, args.get("owns") ?? "")
            : UTF8.encode(text),
        })),
      newMemberSuffix: String(this.#nextMember++),
      requiresKnownMemberId: version >= 4,
      canSkipAssignment: version >= 9,
    };
    this.#world.submit(request, onReply);
  }

  #sync({ words, args }: Command): void {
    const memberId = words[0]!;
    const onReply = (reply: GroupReply | KafkaError) => {
      if (reply === null) return;
      const { error, assignment } = reply as SyncReply;
      this.#lines.push(
        `${memberId}: sync ${error}` +
          (error === "NONE"
            ? ` assignment=${protocolText(assignment, true)}`
            : ""),
      );
    };
    this.#world.submit({
      type: "SyncGroup",
      groupId: args.get("group") ?? "g",
      token: this.#world.token(onReply),
      memberId,
      groupInstanceId: args.get("instance") ?? null,
      generationId: Number(args.get("gen")),
      protocolType: args.get("type") ?? null,
      protocolName: args.get("protocol") ?? null,
      assignments: args.has("gives")
        ? assignmentsOf(args.get("gives")!)
        : pairs(args.get("assign") ?? "").map(([id, text]) => ({
          memberId: id,
          assignment: UTF8.encode(text),
        })),
    }, onReply);
  }

  #show(groupId: string): void {
    const consumers = this.#world.machine.consumerGroup(groupId);
    if (consumers !== undefined) {
      this.#lines.push(...consumerGroupLines(consumers));
      return;
    }
    const group = this.#world.machine.group(groupId);
    if (group === undefined) {
      this.#lines.push("no group");
      return;
    }
    const { state, generation, protocol, leader } = group;
    this.#lines.push(
      `${state} generation=${generation} protocol=${protocol} leader=${leader}`,
    );
    for (const member of group.members.values()) {
      const instance = member.groupInstanceId;
      this.#lines.push(
        `  ${member.memberId}` + (instance === null ? "" : ` (${instance})`) +
          ` assignment=${protocolText(member.assignment, true)}`,
      );
    }
  }

  #printLog(from: number): void {
    let offset = 0;
    for (const { type, key, value } of this.#world.records()) {
      if (offset++ < from) continue;
      const name = `${offset - 1} ${type} ${Object.values(key).join("/")}`;
      if (value === null) this.#lines.push(`${name} tombstone`);
      else if (type === "GroupMetadata") {
        const ids = value.members.map(({ memberId }) => memberId).join(",");
        this.#lines.push(
          `${name} generation=${value.generation} members=${ids}`,
        );
      } else if (type === "OffsetCommit") {
        this.#lines.push(`${name} offset=${value.offset}`);
      } else this.#lines.push(name);
    }
  }
}

function configOf(args: ReadonlyMap<string, string>): Partial<GroupConfig> {
  const {
    migrationPolicy = "bidirectional",
    consumerSizeMax = "1000",
    ...rest
  } = Object.fromEntries(args);
  return {
    ...Object.fromEntries(
      Object.entries(rest).map(([name, text]) => [name, Number(text)]),
    ),
    consumer: {
      ...DEFAULTS.consumer,
      migrationPolicy:
        migrationPolicy as ConsumerGroupConfig["migrationPolicy"],
      groupSizeMax: Number(consumerSizeMax),
    },
  };
}

function pairs(text: string): [string, string][] {
  return text.split(",").filter((each) => each !== "").map((each) => {
    const [name = "", value = ""] = each.split(":");
    return [name, value];
  });
}

function producerOf(producerId: string) {
  return {
    producerId: Number(producerId),
    producerEpoch: 0,
    guard: undefined,
  };
}

function reference(args: ReadonlyMap<string, string>) {
  return {
    memberId: args.get("member") ?? "",
    groupInstanceId: args.get("instance") ?? null,
  };
}

function joinLine(reply: JoinReply | KafkaError): string {
  if (reply instanceof KafkaError) return reply.error;
  const { error, memberId, generationId, protocolName, leader } = reply;
  if (error !== "NONE") return `${error} member=${memberId}`;
  const members = reply.members
    .map((each) => `${each.memberId}:${protocolText(each.metadata, false)}`)
    .join(",");
  return `NONE member=${memberId} generation=${generationId} ` +
    `protocol=${protocolName} leader=${leader} members=[${members}]` +
    (reply.skipAssignment ? " skipAssignment" : "");
}

function requestOf(command: Command): GroupRequest {
  const { name, words, args } = command;
  const groupId = args.get("group") ?? "g";
  const generationId = Number(args.get("gen") ?? -1);
  const groupInstanceId = args.get("instance") ?? null;
  switch (name) {
    case "heartbeat":
      return {
        type: "Heartbeat",
        groupId,
        generationId,
        memberId: words[0]!,
        groupInstanceId,
      };
    case "leave": {
      const ids = words.length === 0 ? [""] : words;
      const members = ids.map((memberId) => ({ memberId, groupInstanceId }));
      return { type: "LeaveGroup", groupId, members };
    }
    case "beat":
      return heartbeatOf(words[0]!, args);
    case "expire":
      return { type: "ExpireOffsets" };
    case "list":
      return {
        type: "ListGroups",
        states: words,
        types: args.get("types")?.split(",") ?? [],
      };
    case "describe":
      return { type: "DescribeGroup", groupId };
    case "describe-consumers":
      return { type: "DescribeConsumerGroup", groupId };
    case "delete":
      return { type: "DeleteGroup", groupId };
    default:
      return offsetRequestOf(command);
  }
}

function offsetRequestOf({ name, words, args }: Command): GroupRequest {
  const groupId = args.get("group") ?? "g";
  switch (name) {
    case "commit":
      return {
        type: "OffsetCommit",
        groupId,
        generationId: Number(args.get("gen") ?? -1),
        memberId: words[0] ?? "",
        groupInstanceId: args.get("instance") ?? null,
        knowsEpochs: Number(args.get("version") ?? 9) >= 9,
        ...(args.has("txn")
          ? { transaction: producerOf(args.get("txn")!) }
          : {}),
        offsets: pairs(args.get("offsets")!).map(([at, offset]) => ({
          topic: at.split("-")[0]!,
          partition: Number(at.split("-")[1]),
          offset: Number(offset),
          leaderEpoch: -1,
          metadata: "x".repeat(Number(args.get("metadata") ?? 0)),
        })),
      };
    case "fetch":
      return {
        type: "OffsetFetch",
        groupId,
        memberId: words[0] ?? null,
        memberEpoch: Number(args.get("epoch") ?? -1),
        requireStable: args.has("stable"),
        topics: pairs(args.get("topics") ?? "").length === 0
          ? null
          : pairs(args.get("topics")!).map(([topic, partition]) => ({
            topic,
            partitions: [Number(partition)],
          })),
      };
    case "end":
      return {
        type: "EndTransaction",
        marker: {
          ...producerOf(words[0]!),
          committed: words[1] === "commit",
          coordinatorEpoch: 0,
          transactionVersion: 1,
        },
      };
    default:
      throw new Error(`Unknown command "${name}"`);
  }
}

function replyLines(reply: GroupReply | KafkaError): string[] {
  if (reply === null) return [];
  if (reply instanceof KafkaError) return [reply.error];
  if ("errors" in reply) return [reply.errors.join(" ")];
  if ("memberEpoch" in reply) return [heartbeatLine(reply)];
  if ("assignor" in reply) {
    const { state, assignor, members } = reply;
    return [
      `${state} ${assignor} ` +
      members.map(({ member }) => member.memberId).join(","),
    ];
  }
  if ("topics" in reply) {
    return reply.topics.flatMap(({ topic, partitions }) =>
      partitions.map(({ partition, committed, isUnstable }) =>
        `${topic}-${partition} = ${isUnstable ? "unstable" : committed?.offset}`
      )
    );
  }
  if ("groups" in reply) {
    return reply.groups.map(({ groupId, state, protocolType }) =>
      `${groupId} ${state} type=${protocolType}`
    );
  }
  if ("group" in reply) {
    const { group } = reply;
    if (group === undefined) return ["no group"];
    return [
      `${group.state} ${group.protocolType}/${group.protocolData} ` +
      group.members.map(({ memberId }) => memberId).join(","),
    ];
  }
  if ("members" in reply && !("memberId" in reply)) {
    return reply.members.map(({ memberId, groupInstanceId, error }) =>
      `${memberId || groupInstanceId} ${error}`
    );
  }
  return [reply.error];
}
