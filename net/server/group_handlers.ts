/**
 * The handlers of all group APIs in one list, for the broker that serves
 * them. Owns nothing else.
 *
 * @module
 */
import type { HandlerEntry } from "./handler.ts";
import { offsetCommitHandler } from "./handlers/08_offset_commit.ts";
import { offsetFetchHandler } from "./handlers/09_offset_fetch.ts";
import { findCoordinatorHandler } from "./handlers/10_find_coordinator.ts";
import { joinGroupHandler } from "./handlers/11_join_group.ts";
import { heartbeatHandler } from "./handlers/12_heartbeat.ts";
import { leaveGroupHandler } from "./handlers/13_leave_group.ts";
import { syncGroupHandler } from "./handlers/14_sync_group.ts";
import { txnOffsetCommitHandler } from "./handlers/28_txn_offset_commit.ts";
import { describeGroupsHandler } from "./handlers/15_describe_groups.ts";
import { listGroupsHandler } from "./handlers/16_list_groups.ts";
import { deleteGroupsHandler } from "./handlers/42_delete_groups.ts";
import { offsetDeleteHandler } from "./handlers/47_offset_delete.ts";
import { consumerGroupHeartbeatHandler } from "./handlers/68_consumer_group_heartbeat.ts";
import { consumerGroupDescribeHandler } from "./handlers/69_consumer_group_describe.ts";
import type { Services } from "./services.ts";
import type { Verification } from "./verification.ts";

/** Handlers of keys 8 to 16, 28, 42, 47, 68 and 69. */
export function groupHandlers(
  services: Services,
  verification: Verification,
): HandlerEntry[] {
  const { groups } = services;
  return [
    offsetCommitHandler(services, groups),
    offsetFetchHandler(services, groups),
    findCoordinatorHandler(services, groups),
    joinGroupHandler(services, groups),
    heartbeatHandler(groups),
    leaveGroupHandler(groups),
    syncGroupHandler(groups),
    describeGroupsHandler(groups),
    listGroupsHandler(groups),
    txnOffsetCommitHandler(services, verification),
    deleteGroupsHandler(groups),
    offsetDeleteHandler(services, groups),
    consumerGroupHeartbeatHandler(services, groups),
    consumerGroupDescribeHandler(services, groups),
  ];
}
