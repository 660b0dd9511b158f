/**
 * Every schema of the product in one list, for the proofs in this folder. A
 * schema that is missing here is not proven.
 *
 * @module
 */
import {
  CONSUMER_PROTOCOL_ASSIGNMENT,
  CONSUMER_PROTOCOL_SUBSCRIPTION,
} from "../../core/assign/protocol.ts";
import { CONSUMER_GROUP_RECORDS } from "../../core/group/consumer_records.ts";
import {
  GROUP_METADATA_KEY,
  GROUP_METADATA_VALUE,
  OFFSET_COMMIT_KEY,
  OFFSET_COMMIT_VALUE,
} from "../../core/group/records.ts";
import { METADATA_RECORDS } from "../../core/metadata/records.ts";
import {
  QUORUM_STATE_DATA,
  RAFT_CONTROL_RECORDS,
} from "../../core/raft/records.ts";
import type { Message } from "../../core/schema/schema.ts";
import {
  TRANSACTION_LOG_KEY,
  TRANSACTION_LOG_VALUE,
} from "../../core/txn/records.ts";
import { APIS } from "../../net/wire/api_keys.ts";
import { REQUEST_HEADER, RESPONSE_HEADER } from "../../net/wire/headers.ts";

/** Bodies of requests and responses. */
export const BODIES: readonly Message[] = [...APIS.values()]
  .flatMap(({ request, response }) => [request, response]);

/** Headers and everything that is stored. */
export const OTHERS: readonly Message[] = [
  REQUEST_HEADER,
  RESPONSE_HEADER,
  CONSUMER_PROTOCOL_ASSIGNMENT,
  CONSUMER_PROTOCOL_SUBSCRIPTION,
  GROUP_METADATA_KEY,
  GROUP_METADATA_VALUE,
  OFFSET_COMMIT_KEY,
  OFFSET_COMMIT_VALUE,
  ...Object.values(CONSUMER_GROUP_RECORDS)
    .flatMap(({ key, value }) => [key, value]),
  TRANSACTION_LOG_KEY,
  TRANSACTION_LOG_VALUE,
  QUORUM_STATE_DATA,
  ...Object.values(METADATA_RECORDS).map(({ schema }) => schema),
  ...Object.values(RAFT_CONTROL_RECORDS).map(({ schema }) => schema),
];

/** All of them. */
export const SCHEMAS: readonly Message[] = [...BODIES, ...OTHERS];

/** The versions of `schema`, rising. */
export function versionsIn({ versions: { min, max } }: Message): number[] {
  return Array.from({ length: max - min + 1 }, (_, i) => min + i);
}
