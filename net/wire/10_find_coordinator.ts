/**
 * FindCoordinator (key 10): which broker coordinates a group, a transactional
 * id or a share partition. Sent by clients to any broker. Version 1 brought
 * the kind of key, 3 flexible encoding, 4 several keys at once, 6 share
 * groups.
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

/** Schemas of FindCoordinator. */
export const FIND_COORDINATOR = api({
  key: 10,
  name: "FindCoordinator",
  request: message({
    name: "FindCoordinatorRequest",
    versions: "0-6",
    flexible: "3+",
  }, {
    key: string("0-3"),
    keyType: int8("1+"),
    coordinatorKeys: array("4+", string()),
  }),
  response: message({
    name: "FindCoordinatorResponse",
    versions: "0-6",
    flexible: "3+",
  }, {
    throttleTimeMs: int32("1+", { ignorable: true }),
    errorCode: int16("0-3"),
    errorMessage: string("1-3", { nullable: "1-3", ignorable: true }),
    nodeId: int32("0-3"),
    host: string("0-3"),
    port: int32("0-3"),
    coordinators: array("4+", {
      key: string("4+"),
      nodeId: int32("4+"),
      host: string("4+"),
      port: int32("4+"),
      errorCode: int16("4+"),
      errorMessage: string("4+", { nullable: "4+", ignorable: true }),
    }),
  }),
});

/** A request as a broker reads it. */
export type FindCoordinatorRequest = Decoded<typeof FIND_COORDINATOR.request>;

/** A response as a broker writes it. */
export type FindCoordinatorResponse = Input<typeof FIND_COORDINATOR.response>;
