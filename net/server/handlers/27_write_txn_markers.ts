/**
 * WriteTxnMarkers: ends transactions in partitions led here, as a coordinator
 * of transactions asks. Owns the request's shape; the markers are
 * `txn_markers.ts`.
 *
 * @module
 */
import { ERRORS } from "../../../core/errors.ts";
import {
  WRITE_TXN_MARKERS,
  type WriteTxnMarkersRequest,
  type WriteTxnMarkersResponse,
} from "../../wire/27_write_txn_markers.ts";
import { type HandlerEntry, handles } from "../handler.ts";
import type { Services } from "../services.ts";
import { writeTxnMarkers } from "../txn_markers.ts";

type Marker = WriteTxnMarkersRequest["markers"][number];

/** The handler of WriteTxnMarkers. */
export function writeTxnMarkersHandler(services: Services): HandlerEntry {
  async function write({ topics, ...marker }: Marker) {
    const partitions = topics.flatMap(({ name: topic, partitionIndexes }) =>
      partitionIndexes.map((partition) => ({ topic, partition }))
    );
    const errors = await writeTxnMarkers(
      services,
      { ...marker, committed: marker.transactionResult },
      partitions,
    );
    let at = 0;
    return {
      producerId: marker.producerId,
      topics: topics.map(({ name, partitionIndexes }) => ({
        name,
        partitions: partitionIndexes.map((partitionIndex) => ({
          partitionIndex,
          errorCode: ERRORS[errors[at++]!],
        })),
      })),
    };
  }

  async function handle(
    { markers }: WriteTxnMarkersRequest,
  ): Promise<WriteTxnMarkersResponse> {
    return { markers: await Promise.all(markers.map(write)) };
  }

  return handles(WRITE_TXN_MARKERS, handle, ({ markers }, errorCode) => ({
    markers: markers.map(({ producerId, topics }) => ({
      producerId,
      topics: topics.map(({ name, partitionIndexes }) => ({
        name,
        partitions: partitionIndexes.map((partitionIndex) => ({
          partitionIndex,
          errorCode,
        })),
      })),
    })),
  }));
}
