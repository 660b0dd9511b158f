/**
 * OffsetCommit: stores a group's offsets of topics that exist. Owns what the
 * versions mean; who may commit is the group coordinator's to say.
 *
 * @module
 */
import { ERRORS } from "../../../core/errors.ts";
import {
  OFFSET_COMMIT,
  type OffsetCommitRequest,
  type OffsetCommitResponse,
} from "../../wire/08_offset_commit.ts";
import type { Groups } from "../groups.ts";
import { type HandlerEntry, handles, type RequestContext } from "../handler.ts";
import { refuseOffsets, sortOffsets } from "../offset_commits.ts";
import type { Services } from "../services.ts";

/** First version that names topics by id. */
const TOPIC_ID_VERSION = 10;
/** First version whose clients know member epochs and GROUP_ID_NOT_FOUND. */
const EPOCHS_VERSION = 9;

/** The handler of OffsetCommit. */
export function offsetCommitHandler(
  { image }: Pick<Services, "image">,
  groups: Groups,
): HandlerEntry {
  async function handle(
    request: OffsetCommitRequest,
    { apiVersion }: RequestContext,
  ): Promise<OffsetCommitResponse> {
    const isById = apiVersion >= TOPIC_ID_VERSION;
    const { topics, offsets, waiting } = sortOffsets(request.topics, {
      image,
      isById,
    });
    if (offsets.length === 0) return { topics };
    const { errors } = await groups.ask({
      type: "OffsetCommit",
      groupId: request.groupId,
      generationId: request.generationIdOrMemberEpoch,
      memberId: request.memberId,
      groupInstanceId: request.groupInstanceId,
      knowsEpochs: apiVersion >= EPOCHS_VERSION,
      ...(request.retentionTimeMs >= 0
        ? { retentionMs: request.retentionTimeMs }
        : {}),
      offsets,
    });
    errors.forEach((error, i) => waiting[i]!.errorCode = ERRORS[error]);
    return { topics };
  }

  return handles(
    OFFSET_COMMIT,
    handle,
    ({ topics }, errorCode) => refuseOffsets(topics, errorCode),
  );
}
