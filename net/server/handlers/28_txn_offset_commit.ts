/**
 * TxnOffsetCommit: offsets of a group that count once a transaction commits.
 * Owns what the versions mean; who may commit is the group coordinator's to
 * say, and whether the transaction is open its coordinator's.
 *
 * @module
 */
import { type ErrorName, ERRORS, KafkaError } from "../../../core/errors.ts";
import type { VerificationGuard } from "../../../core/log/producer_state.ts";
import {
  TXN_OFFSET_COMMIT,
  type TxnOffsetCommitRequest,
  type TxnOffsetCommitResponse,
} from "../../wire/28_txn_offset_commit.ts";
import type { Groups } from "../groups.ts";
import { type HandlerEntry, handles, type RequestContext } from "../handler.ts";
import { refuseOffsets, sortOffsets } from "../offset_commits.ts";
import type { Services } from "../services.ts";
import type { Verification } from "../verification.ts";

/** First version whose clients bear that a coordinator loads (KAFKA-7296). */
const LOADING_VERSION = 2;
/** First version whose clients know TRANSACTION_ABORTABLE. */
const ABORTABLE_VERSION = 4;
/** First version whose clients leave it to us to add the group (KIP-890). */
const IMPLICIT_ADD_VERSION = 5;
/** First version that names topics by id. */
const TOPIC_ID_VERSION = 6;
/** First version whose clients know GROUP_ID_NOT_FOUND and STALE_MEMBER_EPOCH. */
const EPOCHS_VERSION = 6;

/** What clients of `version` do the right thing with. */
function errorOf(error: ErrorName, version: number): ErrorName {
  switch (error) {
    case "PRODUCER_FENCED":
      return "INVALID_PRODUCER_EPOCH";
    case "INVALID_TXN_STATE":
    case "TRANSACTION_ABORTABLE":
      return version >= ABORTABLE_VERSION
        ? "TRANSACTION_ABORTABLE"
        : "INVALID_TXN_STATE";
    case "COORDINATOR_LOAD_IN_PROGRESS":
      return version >= LOADING_VERSION ? error : "COORDINATOR_NOT_AVAILABLE";
    default:
      return error;
  }
}

/** Of what the transaction's coordinator says: not that it is another's group. */
function verificationError(error: ErrorName): ErrorName {
  switch (error) {
    case "CONCURRENT_TRANSACTIONS":
    case "COORDINATOR_NOT_AVAILABLE":
    case "NOT_COORDINATOR":
      return "COORDINATOR_LOAD_IN_PROGRESS";
    default:
      return error;
  }
}

interface Sources {
  readonly groups: Groups;
  readonly verification: Verification;
}

/** What the append needs; throws when there is no such transaction. */
async function guardOf(
  { groups, verification }: Sources,
  { request, version }: {
    readonly request: TxnOffsetCommitRequest;
    readonly version: number;
  },
): Promise<VerificationGuard | undefined> {
  const { transactionalId, groupId, producerId, producerEpoch } = request;
  const hosted = groups.partitionOf(groupId);
  const admission = await verification.admitOffsets({
    transactionalId,
    producerId,
    producerEpoch,
    bumpsEpoch: version >= IMPLICIT_ADD_VERSION,
  }, hosted);
  if (!("error" in admission)) return admission.guard;
  throw new KafkaError(
    verificationError(admission.error),
    `Cannot commit offsets of "${groupId}": the transaction's coordinator says ${admission.error}`,
  );
}

/** The handler of TxnOffsetCommit. */
export function txnOffsetCommitHandler(
  { image, groups }: Pick<Services, "image" | "groups">,
  verification: Verification,
): HandlerEntry {
  async function commit(
    request: TxnOffsetCommitRequest,
    version: number,
  ): Promise<TxnOffsetCommitResponse> {
    const { groupId, producerId, producerEpoch } = request;
    const { topics, offsets, waiting } = sortOffsets(request.topics, {
      image,
      isById: version >= TOPIC_ID_VERSION,
    });
    if (offsets.length === 0) return { topics };
    const guard = await guardOf({ groups, verification }, {
      request,
      version,
    });
    const { errors } = await groups.ask({
      type: "OffsetCommit",
      groupId,
      generationId: request.generationIdOrMemberEpoch,
      memberId: request.memberId,
      groupInstanceId: request.groupInstanceId,
      knowsEpochs: version >= EPOCHS_VERSION,
      transaction: { producerId, producerEpoch, guard },
      offsets,
    });
    errors.forEach((error, i) => waiting[i]!.errorCode = ERRORS[error]);
    return { topics };
  }

  async function handle(
    request: TxnOffsetCommitRequest,
    { apiVersion }: RequestContext,
  ): Promise<TxnOffsetCommitResponse> {
    if (request.groupId === "") {
      return refuseOffsets(request.topics, ERRORS.INVALID_GROUP_ID);
    }
    try {
      return await commit(request, apiVersion);
    } catch (error) {
      if (!(error instanceof KafkaError)) throw error;
      const name = errorOf(error.error, apiVersion);
      return refuseOffsets(request.topics, ERRORS[name]);
    }
  }

  return handles(
    TXN_OFFSET_COMMIT,
    handle,
    ({ topics }, errorCode) => refuseOffsets(topics, errorCode),
  );
}
