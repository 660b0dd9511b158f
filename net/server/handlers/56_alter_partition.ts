/**
 * AlterPartition: hands the ISRs that a leader proposes to the controller and
 * answers with the state of each partition, or with why it stays.
 *
 * @module
 */
import { ERRORS } from "../../../core/errors.ts";
import { invariant } from "../../../core/invariant.ts";
import {
  ALTER_PARTITION,
  type AlterPartitionRequest,
  type AlterPartitionResponse,
} from "../../wire/56_alter_partition.ts";
import { type HandlerEntry, handles, type RequestContext } from "../handler.ts";
import type { Services } from "../services.ts";

/** From this version on brokers are named with their epochs. */
const EPOCHS_VERSION = 3;

/** The handler of AlterPartition. */
export function alterPartitionHandler(
  services: Pick<Services, "control">,
): HandlerEntry {
  async function handle(
    { brokerId, brokerEpoch, topics }: AlterPartitionRequest,
    { apiVersion }: RequestContext,
  ): Promise<AlterPartitionResponse> {
    const reply = await services.control({
      type: "alterPartition",
      brokerId,
      brokerEpoch,
      topics: apiVersion >= EPOCHS_VERSION ? topics : topics.map(withEpochs),
    });
    invariant(reply.type === "alterPartition", "a reply answers its input");
    return {
      errorCode: 0,
      topics: reply.topics.map(({ topicId, partitions }) => ({
        topicId,
        partitions: partitions.map(({ partitionIndex, error, partition }) => ({
          partitionIndex,
          errorCode: ERRORS[error],
          leaderId: partition?.leader ?? 0,
          leaderEpoch: partition?.leaderEpoch ?? 0,
          isr: partition?.isr ?? [],
          leaderRecoveryState: partition?.leaderRecoveryState ?? 0,
          partitionEpoch: partition?.partitionEpoch ?? 0,
        })),
      })),
    };
  }

  return handles(ALTER_PARTITION, handle, (_request, errorCode) => ({
    errorCode,
    topics: [],
  }));
}

function withEpochs(
  { topicId, partitions }: AlterPartitionRequest["topics"][number],
): AlterPartitionRequest["topics"][number] {
  return {
    topicId,
    partitions: partitions.map((partition) => ({
      ...partition,
      newIsrWithEpochs: partition.newIsr.map((brokerId) => ({
        brokerId,
        brokerEpoch: -1,
      })),
    })),
  };
}
