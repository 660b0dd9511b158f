/**
 * Whom to ask instead when a partition is led elsewhere (KIP-951): leaders and
 * their addresses within the refusal, so that a client needs no metadata first.
 * Owns what a refusal is given along; it refuses nobody.
 *
 * @module
 */
import { ZERO_UUID } from "../../core/bytes/uuid.ts";
import { ERRORS } from "../../core/errors.ts";
import type { RequestContext } from "./handler.ts";
import type { Services, TopicReference } from "./services.ts";

/** The answer for one partition, as far as a hint goes. */
interface Hinted {
  readonly errorCode?: number | undefined;
  currentLeader?: {
    readonly leaderId?: number | undefined;
    readonly leaderEpoch?: number | undefined;
  } | undefined;
}

/** A broker's address. */
interface NodeEndpoint {
  readonly nodeId: number;
  readonly host: string;
  readonly port: number;
  readonly rack: string | null;
}

/**
 * Gives refused `answers` the leaders as they are known here; returns where
 * those can be reached.
 */
export function hintLeaders(
  answers: Iterable<
    {
      readonly topic: TopicReference;
      readonly index: number;
      readonly answer: Hinted;
    }
  >,
  { image, endpointOf }: Pick<Services, "image" | "endpointOf">,
  { local }: Pick<RequestContext, "local">,
): NodeEndpoint[] {
  const ids = new Set<number>();
  for (const { topic: { name, topicId }, index, answer } of answers) {
    const isElsewhere = answer.errorCode === ERRORS.NOT_LEADER_OR_FOLLOWER ||
      answer.errorCode === ERRORS.FENCED_LEADER_EPOCH;
    if (!isElsewhere) continue;
    const topic = topicId === ZERO_UUID
      ? image.topic(name)
      : image.topicById(topicId);
    const known = topic?.partitions[index];
    if (known === undefined) continue;
    const { leader: leaderId, leaderEpoch } = known;
    answer.currentLeader = { leaderId, leaderEpoch };
    ids.add(leaderId);
  }
  return [...ids].flatMap((nodeId) => {
    const endpoint = endpointOf(nodeId, local);
    const rack = image.broker(nodeId)?.rack ?? null;
    return endpoint === undefined ? [] : [{ nodeId, ...endpoint, rack }];
  });
}
