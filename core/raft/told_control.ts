/**
 * Control records as a dump tells them: Kafka's names, and what they say. Owns
 * nothing that a quorum decides by.
 *
 * @module
 */
import { Reader } from "../bytes/reader.ts";
import type { ControlRecord } from "../record/control.ts";
import {
  decodeControlValue,
  RAFT_CONTROL_RECORDS,
  type RaftControlType,
} from "./records.ts";

/** Kafka's names of raft's control records. */
const NAMES: Readonly<Record<RaftControlType, string>> = {
  LEADER_CHANGE: "LeaderChange",
  SNAPSHOT_HEADER: "SnapshotHeader",
  SNAPSHOT_FOOTER: "SnapshotFooter",
  KRAFT_VERSION: "KRaftVersion",
  KRAFT_VOTERS: "KRaftVoters",
};

/** What a control record says. */
export interface ToldControl {
  readonly type: string;
  readonly value: unknown;
}

/** Reads a control record; null for one that only a newer Kafka knows. */
export function toldControl(
  { type, value }: Pick<ControlRecord, "type" | "value">,
): ToldControl | null {
  if (type === "UNKNOWN") return null;
  const reader = new Reader(value);
  const version = reader.int16();
  if (type === "COMMIT" || type === "ABORT") {
    const coordinatorEpoch = reader.int32();
    return { type: "EndTxnMarker", value: { version, coordinatorEpoch } };
  }
  const { versions } = RAFT_CONTROL_RECORDS[type].schema;
  if (version > versions.max) return null;
  return { type: NAMES[type], value: decodeControlValue(type, value) };
}
