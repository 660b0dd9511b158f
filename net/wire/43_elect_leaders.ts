/**
 * ElectLeaders (key 43): elects the preferred, or uncleanly any, replica as leader
 * (KIP-460). Sent by kafka-leader-election. Version 1 brought the kind of election.
 *
 * @module
 */
import {
  array,
  type Decoded,
  type Input,
  int16,
  int32,
  int8,
  message,
  string,
} from "../../core/schema/schema.ts";
import { api } from "./api.ts";

/** Schemas of ElectLeaders. */
export const ELECT_LEADERS = api({
  key: 43,
  name: "ElectLeaders",
  request: message({
    name: "ElectLeadersRequest",
    versions: "0-2",
    flexible: "2+",
  }, {
    electionType: int8("1+"),
    topicPartitions: array("0+", {
      topic: string("0+", { mapKey: true }),
      partitions: array("0+", int32()),
    }, { nullable: "0+" }),
    timeoutMs: int32("0+", { default: 60000 }),
  }),
  response: message({
    name: "ElectLeadersResponse",
    versions: "0-2",
    flexible: "2+",
  }, {
    throttleTimeMs: int32("0+"),
    errorCode: int16("1+"),
    replicaElectionResults: array("0+", {
      topic: string("0+"),
      partitionResult: array("0+", {
        partitionId: int32("0+"),
        errorCode: int16("0+"),
        errorMessage: string("0+", { nullable: "0+" }),
      }),
    }),
  }),
});

/** A request as a broker reads it. */
export type ElectLeadersRequest = Decoded<typeof ELECT_LEADERS.request>;

/** A response as a broker writes it. */
export type ElectLeadersResponse = Input<typeof ELECT_LEADERS.response>;
