/**
 * JoinGroup: hands a member to its group's coordinator and waits for the round
 * of joins to end. Owns what the versions differ in.
 *
 * @module
 */
import { ERRORS } from "../../../core/errors.ts";
import type { JoinReply } from "../../../core/group/inputs.ts";
import {
  JOIN_GROUP,
  type JoinGroupRequest,
  type JoinGroupResponse,
} from "../../wire/11_join_group.ts";
import type { Groups } from "../groups.ts";
import { type HandlerEntry, handles, type RequestContext } from "../handler.ts";
import type { Services } from "../services.ts";

/** First version with a rebalance timeout of its own. */
const REBALANCE_TIMEOUT_VERSION = 1;
/** First version that asks for its member id before it joins (KIP-394). */
const KNOWN_MEMBER_VERSION = 4;
/** First version that lets the protocol's name be null. */
const NULLABLE_PROTOCOL_VERSION = 7;
/** First version that can skip the assignment (KIP-814). */
const SKIP_ASSIGNMENT_VERSION = 9;

/** The handler of JoinGroup. */
export function joinGroupHandler(
  { env }: Pick<Services, "env">,
  groups: Groups,
): HandlerEntry {
  async function handle(
    request: JoinGroupRequest,
    { apiVersion, clientId, clientHost }: RequestContext,
  ): Promise<JoinGroupResponse> {
    // Copies: the request's buffer is used again while the member waits.
    const protocols = request.protocols
      .map(({ name, metadata }) => ({ name, metadata: metadata.slice() }));
    const { groupId, sessionTimeoutMs, memberId, groupInstanceId } = request;
    const { protocolType } = request;
    const newMemberSuffix = randomUuidText(env.random.bytes(16));
    const reply = await groups.askParked<JoinReply>(groupId, (token) => ({
      type: "JoinGroup",
      token,
      groupId,
      memberId,
      groupInstanceId,
      clientId: clientId ?? "",
      clientHost,
      sessionTimeoutMs,
      rebalanceTimeoutMs: apiVersion >= REBALANCE_TIMEOUT_VERSION
        ? request.rebalanceTimeoutMs
        : sessionTimeoutMs,
      protocolType,
      protocols,
      newMemberSuffix,
      requiresKnownMemberId: apiVersion >= KNOWN_MEMBER_VERSION,
      canSkipAssignment: apiVersion >= SKIP_ASSIGNMENT_VERSION,
    }));
    return {
      ...reply,
      errorCode: ERRORS[reply.error],
      protocolName: reply.protocolName ??
        (apiVersion >= NULLABLE_PROTOCOL_VERSION ? null : ""),
    };
  }

  return handles(JOIN_GROUP, handle, ({ memberId }, errorCode) => ({
    errorCode,
    memberId,
    protocolName: "",
  }));
}

/** 16 random bytes as a version 4 UUID in its usual text form. */
function randomUuidText(bytes: Uint8Array): string {
  bytes[6] = bytes[6]! & 0x0f | 0x40;
  bytes[8] = bytes[8]! & 0x3f | 0x80;
  const hex = bytes.toHex();
  return [
    hex.slice(0, 8),
    hex.slice(8, 12),
    hex.slice(12, 16),
    hex.slice(16, 20),
    hex.slice(20),
  ].join("-");
}
