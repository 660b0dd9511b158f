/**
 * AddOffsetsToTxn: puts the partition that a group's offsets are committed to
 * into a transaction. Owns the request's shape only.
 *
 * @module
 */
import { coordinatorPartition } from "../../../core/ids.ts";
import {
  ADD_OFFSETS_TO_TXN,
  type AddOffsetsToTxnRequest,
  type AddOffsetsToTxnResponse,
} from "../../wire/25_add_offsets_to_txn.ts";
import { OFFSETS_TOPIC } from "../coordinator_topic.ts";
import { type HandlerEntry, handles, type RequestContext } from "../handler.ts";
import type { Services } from "../services.ts";
import { txnErrorCode } from "../transactions.ts";

/** First version that tells fencing apart from an invalid epoch. */
const FENCED_VERSION = 2;

/** The handler of AddOffsetsToTxn. */
export function addOffsetsToTxnHandler(
  services: Pick<Services, "config" | "image" | "transactions">,
): HandlerEntry {
  async function handle(
    { groupId, ...producer }: AddOffsetsToTxnRequest,
    { apiVersion }: RequestContext,
  ): Promise<AddOffsetsToTxnResponse> {
    // The group may not have been asked for yet: then its topic comes later.
    const count = services.image.topic(OFFSETS_TOPIC)?.partitions.length ??
      services.config["offsets.topic.num.partitions"];
    const partition = coordinatorPartition(groupId, count);
    const { errors: [error] } = await services.transactions.ask({
      type: "AddPartitions",
      ...producer,
      partitions: [{ topic: OFFSETS_TOPIC, partition }],
      clientVersion: 0,
    });
    const knowsFencing = apiVersion >= FENCED_VERSION;
    return { errorCode: txnErrorCode(error!, { knowsFencing }) };
  }

  return handles(
    ADD_OFFSETS_TO_TXN,
    handle,
    (_request, errorCode) => ({ errorCode }),
  );
}
