/**
 * The table of APIs that brokers, controllers and clients send each other, by key.
 * Owns the list and nothing else.
 *
 * @module
 */
import type { Api } from "./api.ts";
import { PRODUCE } from "./00_produce.ts";
import { FETCH } from "./01_fetch.ts";
import { LIST_OFFSETS } from "./02_list_offsets.ts";
import { METADATA } from "./03_metadata.ts";
import { OFFSET_COMMIT } from "./08_offset_commit.ts";
import { OFFSET_FETCH } from "./09_offset_fetch.ts";
import { FIND_COORDINATOR } from "./10_find_coordinator.ts";
import { JOIN_GROUP } from "./11_join_group.ts";
import { HEARTBEAT } from "./12_heartbeat.ts";
import { LEAVE_GROUP } from "./13_leave_group.ts";
import { SYNC_GROUP } from "./14_sync_group.ts";
import { DESCRIBE_GROUPS } from "./15_describe_groups.ts";
import { LIST_GROUPS } from "./16_list_groups.ts";
import { API_VERSIONS } from "./18_api_versions.ts";
import { CREATE_TOPICS } from "./19_create_topics.ts";
import { DELETE_TOPICS } from "./20_delete_topics.ts";
import { DELETE_RECORDS } from "./21_delete_records.ts";
import { INIT_PRODUCER_ID } from "./22_init_producer_id.ts";
import { OFFSET_FOR_LEADER_EPOCH } from "./23_offset_for_leader_epoch.ts";
import { ADD_PARTITIONS_TO_TXN } from "./24_add_partitions_to_txn.ts";
import { ADD_OFFSETS_TO_TXN } from "./25_add_offsets_to_txn.ts";
import { END_TXN } from "./26_end_txn.ts";
import { WRITE_TXN_MARKERS } from "./27_write_txn_markers.ts";
import { TXN_OFFSET_COMMIT } from "./28_txn_offset_commit.ts";
import { DESCRIBE_CONFIGS } from "./32_describe_configs.ts";
import { ALTER_CONFIGS } from "./33_alter_configs.ts";
import { DESCRIBE_LOG_DIRS } from "./35_describe_log_dirs.ts";
import { CREATE_PARTITIONS } from "./37_create_partitions.ts";
import { DELETE_GROUPS } from "./42_delete_groups.ts";
import { ELECT_LEADERS } from "./43_elect_leaders.ts";
import { INCREMENTAL_ALTER_CONFIGS } from "./44_incremental_alter_configs.ts";
import { ALTER_PARTITION_REASSIGNMENTS } from "./45_alter_partition_reassignments.ts";
import { LIST_PARTITION_REASSIGNMENTS } from "./46_list_partition_reassignments.ts";
import { OFFSET_DELETE } from "./47_offset_delete.ts";
import { DESCRIBE_CLIENT_QUOTAS } from "./48_describe_client_quotas.ts";
import { ALTER_CLIENT_QUOTAS } from "./49_alter_client_quotas.ts";
import { DESCRIBE_USER_SCRAM_CREDENTIALS } from "./50_describe_user_scram_credentials.ts";
import { ALTER_USER_SCRAM_CREDENTIALS } from "./51_alter_user_scram_credentials.ts";
import { VOTE } from "./52_vote.ts";
import { BEGIN_QUORUM_EPOCH } from "./53_begin_quorum_epoch.ts";
import { END_QUORUM_EPOCH } from "./54_end_quorum_epoch.ts";
import { DESCRIBE_QUORUM } from "./55_describe_quorum.ts";
import { ALTER_PARTITION } from "./56_alter_partition.ts";
import { UPDATE_FEATURES } from "./57_update_features.ts";
import { ENVELOPE } from "./58_envelope.ts";
import { FETCH_SNAPSHOT } from "./59_fetch_snapshot.ts";
import { DESCRIBE_CLUSTER } from "./60_describe_cluster.ts";
import { DESCRIBE_PRODUCERS } from "./61_describe_producers.ts";
import { BROKER_REGISTRATION } from "./62_broker_registration.ts";
import { BROKER_HEARTBEAT } from "./63_broker_heartbeat.ts";
import { UNREGISTER_BROKER } from "./64_unregister_broker.ts";
import { DESCRIBE_TRANSACTIONS } from "./65_describe_transactions.ts";
import { LIST_TRANSACTIONS } from "./66_list_transactions.ts";
import { ALLOCATE_PRODUCER_IDS } from "./67_allocate_producer_ids.ts";
import { CONSUMER_GROUP_HEARTBEAT } from "./68_consumer_group_heartbeat.ts";
import { CONSUMER_GROUP_DESCRIBE } from "./69_consumer_group_describe.ts";
import { CONTROLLER_REGISTRATION } from "./70_controller_registration.ts";
import { ASSIGN_REPLICAS_TO_DIRS } from "./73_assign_replicas_to_dirs.ts";
import { LIST_CONFIG_RESOURCES } from "./74_list_config_resources.ts";
import { DESCRIBE_TOPIC_PARTITIONS } from "./75_describe_topic_partitions.ts";
import { ADD_RAFT_VOTER } from "./80_add_raft_voter.ts";
import { REMOVE_RAFT_VOTER } from "./81_remove_raft_voter.ts";
import { UPDATE_RAFT_VOTER } from "./82_update_raft_voter.ts";
import { UNREGISTER_CONTROLLER } from "./94_unregister_controller.ts";

export type { Api };

/** Every API, by key, rising. */
export const APIS: ReadonlyMap<number, Api> = new Map(
  [
    PRODUCE,
    FETCH,
    LIST_OFFSETS,
    METADATA,
    OFFSET_COMMIT,
    OFFSET_FETCH,
    FIND_COORDINATOR,
    JOIN_GROUP,
    HEARTBEAT,
    LEAVE_GROUP,
    SYNC_GROUP,
    DESCRIBE_GROUPS,
    LIST_GROUPS,
    API_VERSIONS,
    CREATE_TOPICS,
    DELETE_TOPICS,
    DELETE_RECORDS,
    INIT_PRODUCER_ID,
    OFFSET_FOR_LEADER_EPOCH,
    ADD_PARTITIONS_TO_TXN,
    ADD_OFFSETS_TO_TXN,
    END_TXN,
    WRITE_TXN_MARKERS,
    TXN_OFFSET_COMMIT,
    DESCRIBE_CONFIGS,
    ALTER_CONFIGS,
    DESCRIBE_LOG_DIRS,
    CREATE_PARTITIONS,
    DELETE_GROUPS,
    ELECT_LEADERS,
    INCREMENTAL_ALTER_CONFIGS,
    ALTER_PARTITION_REASSIGNMENTS,
    LIST_PARTITION_REASSIGNMENTS,
    OFFSET_DELETE,
    DESCRIBE_CLIENT_QUOTAS,
    ALTER_CLIENT_QUOTAS,
    DESCRIBE_USER_SCRAM_CREDENTIALS,
    ALTER_USER_SCRAM_CREDENTIALS,
    VOTE,
    BEGIN_QUORUM_EPOCH,
    END_QUORUM_EPOCH,
    DESCRIBE_QUORUM,
    ALTER_PARTITION,
    UPDATE_FEATURES,
    ENVELOPE,
    FETCH_SNAPSHOT,
    DESCRIBE_CLUSTER,
    DESCRIBE_PRODUCERS,
    BROKER_REGISTRATION,
    BROKER_HEARTBEAT,
    UNREGISTER_BROKER,
    DESCRIBE_TRANSACTIONS,
    LIST_TRANSACTIONS,
    ALLOCATE_PRODUCER_IDS,
    CONSUMER_GROUP_HEARTBEAT,
    CONSUMER_GROUP_DESCRIBE,
    CONTROLLER_REGISTRATION,
    ASSIGN_REPLICAS_TO_DIRS,
    LIST_CONFIG_RESOURCES,
    DESCRIBE_TOPIC_PARTITIONS,
    ADD_RAFT_VOTER,
    REMOVE_RAFT_VOTER,
    UPDATE_RAFT_VOTER,
    UNREGISTER_CONTROLLER,
  ].map((api: Api) => [api.key, api]),
);
