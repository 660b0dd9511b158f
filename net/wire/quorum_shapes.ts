/**
 * What the quorum's messages have in common: where leaders are reached
 * (KIP-853). Owns shapes, no API.
 *
 * @module
 */
import { int32, string, uint16 } from "../../core/schema/schema.ts";

/** Where the leader that an answer names is reached. */
export const NODE_ENDPOINT = {
  nodeId: int32("1+", { mapKey: true }),
  host: string("1+"),
  port: uint16("1+"),
};

/** Where the leader that sends the request is reached, by listener. */
export const LEADER_ENDPOINT = {
  name: string("1+", { mapKey: true }),
  host: string("1+"),
  port: uint16("1+"),
};

/** Where a voter is reached, by listener. */
export const VOTER_ENDPOINT = {
  name: string("0+", { mapKey: true }),
  host: string("0+"),
  port: uint16("0+"),
};
