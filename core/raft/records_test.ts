/**
 * Raft's control records and the quorum-state file.
 *
 * @module
 */
import { assertEquals, assertThrows } from "@std/assert";
import { METADATA_TOPIC_ID, ZERO_UUID } from "../bytes/uuid.ts";
import { BatchView } from "../record/batch.ts";
import { decodeControlRecords } from "../record/control.ts";
import { DecodeError } from "../schema/codec.ts";
import { firstRecords, leaderChangeBatch } from "./batches.ts";
import {
  decodeControlValue,
  decodeQuorumState,
  encodeControlValue,
  encodeQuorumState,
} from "./records.ts";
import { decodeQuorumRecord } from "./voter_set.ts";

Deno.test("a leader change opens with its version", () => {
  const value = { leaderId: 1, voters: [{ voterId: 1 }] };
  const old = encodeControlValue("LEADER_CHANGE", value);
  assertEquals(
    [...old],
    [0, 0, 0, 0, 0, 1, 2, 0, 0, 0, 1, 0, 1, 0],
  );
  const withIds = encodeControlValue("LEADER_CHANGE", {
    version: 1,
    leaderId: 1,
    voters: [{ voterId: 1, voterDirectoryId: METADATA_TOPIC_ID }],
  });
  const decoded = decodeControlValue("LEADER_CHANGE", withIds);
  assertEquals(decoded.version, 1);
  assertEquals(decoded.voters[0]?.voterDirectoryId, METADATA_TOPIC_ID);
  assertEquals(
    decodeControlValue("LEADER_CHANGE", old).voters[0]?.voterDirectoryId,
    ZERO_UUID,
  );
});

Deno.test("an epoch begins with version 0 of its record, which alone Kafka 4.4 reads, and what the log lacks", () => {
  const own = {
    id: 1,
    directoryId: METADATA_TOPIC_ID,
    endpoints: [{ name: "CONTROLLER", host: "h", port: 9093 }],
    kraftVersions: { min: 0, max: 1 },
  };
  const entry = { offset: -1, kraftVersion: 1, voters: [own], previous: [] };
  const batch = leaderChangeBatch(1, {
    voters: entry.voters,
    grantingVoters: [1],
    more: firstRecords(entry, own),
    timestamp: 5,
  });
  const records = decodeControlRecords(new BatchView(batch));
  assertEquals(
    records.map(({ type }) => type),
    ["LEADER_CHANGE", "KRAFT_VERSION", "KRAFT_VOTERS"],
  );
  const change = decodeControlValue("LEADER_CHANGE", records[0]!.value);
  assertEquals([change.version, change.voters[0]?.voterId], [0, 1]);
  const known = { ...entry, offset: 7 };
  assertEquals(firstRecords(known, own), []);
  const moved = { ...own, endpoints: [{ ...own.endpoints[0]!, port: 1 }] };
  const [again] = firstRecords(known, moved);
  assertEquals(decodeQuorumRecord(again!), { voters: [moved] });
});

Deno.test("snapshot headers and voters come back as they went", () => {
  const header = { version: 0, lastContainedLogTimestamp: 5 };
  assertEquals(
    decodeControlValue(
      "SNAPSHOT_HEADER",
      encodeControlValue("SNAPSHOT_HEADER", header),
    ),
    header,
  );
  const voters = {
    version: 0,
    voters: [{
      voterId: 1,
      voterDirectoryId: ZERO_UUID,
      endpoints: [{ name: "CONTROLLER", host: "h", port: 9093 }],
      kRaftVersionFeature: { minSupportedVersion: 0, maxSupportedVersion: 1 },
    }],
  };
  assertEquals(
    decodeControlValue(
      "KRAFT_VOTERS",
      encodeControlValue("KRAFT_VOTERS", voters),
    ),
    voters,
  );
});

Deno.test("quorum-state is Kafka's JSON in both versions", () => {
  const state = { leaderId: 1, leaderEpoch: 7, votedId: 1 };
  assertEquals(
    encodeQuorumState(state),
    `{"leaderId":1,"leaderEpoch":7,"votedId":1,"votedDirectoryId":"${ZERO_UUID}","data_version":1}`,
  );
  assertEquals(
    encodeQuorumState({ ...state, currentVoters: [{ voterId: 1 }] }, 0),
    '{"clusterId":"","leaderId":1,"leaderEpoch":7,"votedId":1,"appliedOffset":0,"currentVoters":[{"voterId":1}],"data_version":0}',
  );
  for (const version of [0, 1] as const) {
    const { leaderId, leaderEpoch, votedId } = decodeQuorumState(
      encodeQuorumState(state, version),
    );
    assertEquals({ leaderId, leaderEpoch, votedId }, state);
  }
});

Deno.test("a damaged quorum-state is refused", () => {
  const inputs = [
    "",
    "null",
    "[]",
    "{}",
    '{"data_version":2}',
    '{"leaderId":"1","data_version":1}',
    '{"leaderEpoch":1.5,"data_version":1}',
    '{"currentVoters":{},"data_version":0}',
    '{"currentVoters":[null],"data_version":0}',
  ];
  for (const text of inputs) {
    assertThrows(() => decodeQuorumState(text), DecodeError, "quorum-state");
  }
});
