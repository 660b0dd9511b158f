/**
 * Who belongs to the quorum of the metadata log. Types and names only.
 *
 * @module
 */
import type { Uuid } from "../../core/bytes/uuid.ts";

/** The topic whose only partition is the metadata log. */
export const METADATA_TOPIC = "__cluster_metadata";

/** A voter and where it is reached by the others. */
export interface Voter {
  readonly id: number;
  /** `ZERO_UUID` while kraft.version is 0. */
  readonly directoryId: Uuid;
  readonly host: string;
  readonly port: number;
}
