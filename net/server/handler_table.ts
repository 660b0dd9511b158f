/**
 * Every API that this broker serves, bound to its handler. Owns the list and
 * nothing else: ApiVersions announces what stands here.
 *
 * @module
 */
import type { Api } from "../wire/api_keys.ts";
import type { HandlerEntry } from "./handler.ts";
import { produceHandler } from "./handlers/00_produce.ts";
import { fetchHandler } from "./handlers/01_fetch.ts";
import { listOffsetsHandler } from "./handlers/02_list_offsets.ts";
import { metadataHandler } from "./handlers/03_metadata.ts";
import { offsetCommitHandler } from "./handlers/08_offset_commit.ts";
import { offsetFetchHandler } from "./handlers/09_offset_fetch.ts";
import { findCoordinatorHandler } from "./handlers/10_find_coordinator.ts";
import { joinGroupHandler } from "./handlers/11_join_group.ts";
import { heartbeatHandler } from "./handlers/12_heartbeat.ts";
import { leaveGroupHandler } from "./handlers/13_leave_group.ts";
import { syncGroupHandler } from "./handlers/14_sync_group.ts";
import { describeGroupsHandler } from "./handlers/15_describe_groups.ts";
import { listGroupsHandler } from "./handlers/16_list_groups.ts";
import { apiVersionsHandler } from "./handlers/18_api_versions.ts";
import { createTopicsHandler } from "./handlers/19_create_topics.ts";
import { deleteTopicsHandler } from "./handlers/20_delete_topics.ts";
import { deleteRecordsHandler } from "./handlers/21_delete_records.ts";
import { initProducerIdHandler } from "./handlers/22_init_producer_id.ts";
import { offsetForLeaderEpochHandler } from "./handlers/23_offset_for_leader_epoch.ts";
import { describeConfigsHandler } from "./handlers/32_describe_configs.ts";
import { createPartitionsHandler } from "./handlers/37_create_partitions.ts";
import { deleteGroupsHandler } from "./handlers/42_delete_groups.ts";
import { incrementalAlterConfigsHandler } from "./handlers/44_incremental_alter_configs.ts";
import { describeClusterHandler } from "./handlers/60_describe_cluster.ts";
import type { Groups } from "./groups.ts";
import type { Services } from "./services.ts";

/** All handlers; `served` lists the APIs once they are in dispatch. */
export function handlerTable(
  { services, groups }: {
    readonly services: Services;
    readonly groups: Groups;
  },
  served: () => readonly Api[],
): HandlerEntry[] {
  return [
    produceHandler(services),
    fetchHandler(services),
    listOffsetsHandler(services),
    metadataHandler(services),
    offsetCommitHandler(services, groups),
    offsetFetchHandler(services, groups),
    findCoordinatorHandler(services, groups),
    joinGroupHandler(services, groups),
    heartbeatHandler(groups),
    leaveGroupHandler(groups),
    syncGroupHandler(groups),
    describeGroupsHandler(groups),
    listGroupsHandler(groups),
    apiVersionsHandler(services, served),
    createTopicsHandler(services),
    deleteTopicsHandler(services),
    deleteRecordsHandler(services),
    initProducerIdHandler(services),
    offsetForLeaderEpochHandler(services),
    describeConfigsHandler(services),
    createPartitionsHandler(services),
    deleteGroupsHandler(groups),
    incrementalAlterConfigsHandler(services),
    describeClusterHandler(services),
  ];
}
