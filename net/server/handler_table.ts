/**
 * Every API that this broker serves, bound to its handler, by kind of listener.
 * Owns the lists and nothing else: ApiVersions announces what stands here.
 *
 * @module
 */
import type { Api } from "../wire/api_keys.ts";
import type { HandlerEntry } from "./handler.ts";
import { produceHandler } from "./handlers/00_produce.ts";
import { fetchMetadataHandler } from "./handlers/01_fetch_metadata.ts";
import { fetchHandler } from "./handlers/01_fetch.ts";
import { listOffsetsHandler } from "./handlers/02_list_offsets.ts";
import { metadataHandler } from "./handlers/03_metadata.ts";
import { apiVersionsHandler } from "./handlers/18_api_versions.ts";
import { createTopicsHandler } from "./handlers/19_create_topics.ts";
import { deleteTopicsHandler } from "./handlers/20_delete_topics.ts";
import { deleteRecordsHandler } from "./handlers/21_delete_records.ts";
import { initProducerIdHandler } from "./handlers/22_init_producer_id.ts";
import { offsetForLeaderEpochHandler } from "./handlers/23_offset_for_leader_epoch.ts";
import { addPartitionsToTxnHandler } from "./handlers/24_add_partitions_to_txn.ts";
import { addOffsetsToTxnHandler } from "./handlers/25_add_offsets_to_txn.ts";
import { endTxnHandler } from "./handlers/26_end_txn.ts";
import { writeTxnMarkersHandler } from "./handlers/27_write_txn_markers.ts";
import { describeConfigsHandler } from "./handlers/32_describe_configs.ts";
import { alterConfigsHandler } from "./handlers/33_alter_configs.ts";
import { describeLogDirsHandler } from "./handlers/35_describe_log_dirs.ts";
import { createPartitionsHandler } from "./handlers/37_create_partitions.ts";
import { electLeadersHandler } from "./handlers/43_elect_leaders.ts";
import { incrementalAlterConfigsHandler } from "./handlers/44_incremental_alter_configs.ts";
import { alterPartitionReassignmentsHandler } from "./handlers/45_alter_partition_reassignments.ts";
import { listPartitionReassignmentsHandler } from "./handlers/46_list_partition_reassignments.ts";
import { describeClientQuotasHandler } from "./handlers/48_describe_client_quotas.ts";
import { alterClientQuotasHandler } from "./handlers/49_alter_client_quotas.ts";
import { describeUserScramCredentialsHandler } from "./handlers/50_describe_user_scram_credentials.ts";
import { alterUserScramCredentialsHandler } from "./handlers/51_alter_user_scram_credentials.ts";
import { voteHandler } from "./handlers/52_vote.ts";
import { beginQuorumEpochHandler } from "./handlers/53_begin_quorum_epoch.ts";
import { endQuorumEpochHandler } from "./handlers/54_end_quorum_epoch.ts";
import { describeQuorumHandler } from "./handlers/55_describe_quorum.ts";
import { alterPartitionHandler } from "./handlers/56_alter_partition.ts";
import { updateFeaturesHandler } from "./handlers/57_update_features.ts";
import {
  envelopeHandler,
  type EnvelopeOpener,
} from "./handlers/58_envelope.ts";
import { fetchSnapshotHandler } from "./handlers/59_fetch_snapshot.ts";
import {
  describeClusterHandler,
  describeControllersHandler,
} from "./handlers/60_describe_cluster.ts";
import { describeProducersHandler } from "./handlers/61_describe_producers.ts";
import { brokerRegistrationHandler } from "./handlers/62_broker_registration.ts";
import { brokerHeartbeatHandler } from "./handlers/63_broker_heartbeat.ts";
import { unregisterBrokerHandler } from "./handlers/64_unregister_broker.ts";
import { describeTransactionsHandler } from "./handlers/65_describe_transactions.ts";
import { listTransactionsHandler } from "./handlers/66_list_transactions.ts";
import { allocateProducerIdsHandler } from "./handlers/67_allocate_producer_ids.ts";
import { controllerRegistrationHandler } from "./handlers/70_controller_registration.ts";
import { assignReplicasToDirsHandler } from "./handlers/73_assign_replicas_to_dirs.ts";
import { listConfigResourcesHandler } from "./handlers/74_list_config_resources.ts";
import { describeTopicPartitionsHandler } from "./handlers/75_describe_topic_partitions.ts";
import { addRaftVoterHandler } from "./handlers/80_add_raft_voter.ts";
import { removeRaftVoterHandler } from "./handlers/81_remove_raft_voter.ts";
import { updateRaftVoterHandler } from "./handlers/82_update_raft_voter.ts";
import { unregisterControllerHandler } from "./handlers/94_unregister_controller.ts";
import { groupHandlers } from "./group_handlers.ts";
import type { Services } from "./services.ts";
import { Verification } from "./verification.ts";

/** Handlers of clients' listeners; `served` lists the APIs once they are in dispatch. */
export function clientHandlers(
  services: Services,
  served: () => readonly Api[],
): HandlerEntry[] {
  const verification = new Verification(services);
  return [
    produceHandler(services, verification),
    fetchHandler(services),
    listOffsetsHandler(services),
    metadataHandler(services),
    ...groupHandlers(services, verification),
    apiVersionsHandler(services, served),
    deleteRecordsHandler(services),
    initProducerIdHandler(services),
    offsetForLeaderEpochHandler(services),
    addPartitionsToTxnHandler(services),
    addOffsetsToTxnHandler(services),
    endTxnHandler(services),
    writeTxnMarkersHandler(services),
    describeConfigsHandler(services),
    describeLogDirsHandler(services),
    describeClientQuotasHandler(services),
    describeUserScramCredentialsHandler(services),
    describeClusterHandler(services),
    describeProducersHandler(services),
    describeTransactionsHandler(services),
    listTransactionsHandler(services),
    listConfigResourcesHandler(services),
    describeTopicPartitionsHandler(services),
    ...[
      ...adminHandlers(services),
      addRaftVoterHandler(services),
      removeRaftVoterHandler(services),
    ].map((entry) => ({ ...entry, isForwarded: true })),
  ];
}

/** Handlers of controllers' listeners, and of what this process asks itself. */
export function controllerHandlers(
  services: Services,
  served: () => readonly Api[],
  opener: EnvelopeOpener,
): HandlerEntry[] {
  return [
    apiVersionsHandler(services, served),
    envelopeHandler(opener),
    describeControllersHandler(services),
    ...clusterHandlers(services),
    ...quorumHandlers(services),
    ...adminHandlers(services),
  ];
}

/** What the members of the quorum ask each other. */
export function quorumHandlers(
  services: Pick<Services, "quorum">,
): HandlerEntry[] {
  return [
    fetchMetadataHandler(services),
    voteHandler(services),
    beginQuorumEpochHandler(services),
    endQuorumEpochHandler(services),
    fetchSnapshotHandler(services),
    addRaftVoterHandler(services),
    removeRaftVoterHandler(services),
    updateRaftVoterHandler(services),
  ];
}

/** What clients ask and the controller alone knows or decides. */
function adminHandlers(services: Services): HandlerEntry[] {
  return [
    createTopicsHandler(services),
    deleteTopicsHandler(services),
    alterConfigsHandler(services),
    createPartitionsHandler(services),
    electLeadersHandler(services),
    incrementalAlterConfigsHandler(services),
    alterPartitionReassignmentsHandler(services),
    listPartitionReassignmentsHandler(services),
    alterClientQuotasHandler(services),
    alterUserScramCredentialsHandler(services),
    describeQuorumHandler(services),
    updateFeaturesHandler(services),
    unregisterBrokerHandler(services),
    unregisterControllerHandler(services),
  ];
}

/** What brokers ask of the controller: no listener of clients may serve it. */
export function clusterHandlers(
  services: Pick<Services, "control" | "clusterId">,
): HandlerEntry[] {
  return [
    alterPartitionHandler(services),
    brokerRegistrationHandler(services),
    brokerHeartbeatHandler(services),
    allocateProducerIdsHandler(services),
    controllerRegistrationHandler(services),
    assignReplicasToDirsHandler(services),
  ];
}
