/**
 * The controller: decides about brokers, topics, configs and producer ids.
 * Owns the uncommitted image, so that two decisions in flight see each other;
 * it must never answer, append or wait: its host does.
 *
 * @module
 */
import type { Uuid } from "../bytes/uuid.ts";
import type { BrokerConfig } from "../config/resolve.ts";
import type {
  DecideContext,
  Decision,
  Machine,
} from "../coordinator/machine.ts";
import type { Clock, Random } from "../env/env.ts";
import type { ErrorName } from "../errors.ts";
import { type BrokerContact, BrokerContacts } from "./broker_contacts.ts";
import {
  brokerHeartbeat,
  fenceStale,
  registerBroker,
  unregisterBroker,
} from "./brokers.ts";
import {
  type AlteredTopic,
  alterPartition,
  type IsrProposal,
} from "./alter_partition.ts";
import {
  type AssignedDirectory,
  assignReplicasToDirs,
  type DirectoryAssignment,
} from "./assigned_directories.ts";
import { alterClientQuotas } from "./client_quotas.ts";
import { alterConfigs, incrementalAlterConfigs } from "./configs.ts";
import {
  balanceLeaders,
  electLeaders,
  electUncleanLeaders,
  type TopicElections,
} from "./elections.ts";
import { registerController, unregisterController } from "./controllers.ts";
import { bootstrap, updateFeatures } from "./features.ts";
import {
  type BrokerEndpoint,
  type BrokerImage,
  MetadataImage,
} from "./image.ts";
import { createPartitions } from "./partitions.ts";
import { allocateProducerIds } from "./producer_ids.ts";
import type { QuotaEntity } from "./quota_entity.ts";
import { alterPartitionReassignments } from "./reassignments.ts";
import type { MetadataRecord } from "./records.ts";
import { alterUserScramCredentials } from "./scram.ts";
import { createTopics, deleteTopics } from "./topics.ts";

/** How one item of a request went. */
export interface ItemResult {
  readonly error: ErrorName;
  /** For people; null when nothing is wrong. */
  readonly message: string | null;
}

/** A topic to create. −1 stands for the broker's default. */
export interface NewTopic {
  readonly name: string;
  readonly numPartitions: number;
  readonly replicationFactor: number;
  /** When not empty, both numbers are −1. */
  readonly assignments: readonly {
    readonly partitionIndex: number;
    readonly brokerIds: readonly number[];
  }[];
  readonly configs: readonly {
    readonly name: string;
    readonly value: string | null;
  }[];
}

/** A topic to delete: by name, or by id. */
export interface TopicToDelete {
  readonly name: string | null;
  readonly topicId: Uuid;
}

/** A topic to widen to `count` partitions. */
export interface NewPartitions {
  readonly name: string;
  readonly count: number;
  /** Replicas of each new partition; null: the controller places them. */
  readonly assignments:
    | readonly { readonly brokerIds: readonly number[] }[]
    | null;
}

/** Config changes of one resource. */
export interface ConfigChanges {
  readonly resourceType: number;
  readonly resourceName: string;
  readonly configs: readonly {
    readonly name: string;
    /** 0 set, 1 delete, 2 append, 3 subtract. */
    readonly configOperation: number;
    readonly value: string | null;
  }[];
}

/** All configs that a resource is to have. */
export interface NewConfigs {
  readonly resourceType: number;
  readonly resourceName: string;
  readonly configs: readonly {
    readonly name: string;
    readonly value: string | null;
  }[];
}

/** Where partitions of a topic are to be. */
export interface Reassignment {
  readonly name: string;
  readonly partitions: readonly {
    readonly partitionIndex: number;
    /** Null: what is under way is cancelled. */
    readonly replicas: readonly number[] | null;
  }[];
}

/** A level that a feature is to have. */
export interface FeatureUpdate {
  readonly feature: string;
  readonly maxVersionLevel: number;
  /** 1 upgrade, 2 downgrade without loss, 3 with loss. */
  readonly upgradeType: number;
}

/** Quotas to set on, or to remove from, one entity. */
export interface QuotaChanges {
  readonly entity: QuotaEntity;
  readonly ops: readonly {
    readonly key: string;
    readonly value: number;
    readonly remove: boolean;
  }[];
}

/** A SCRAM credential to remove. */
export interface ScramDeletion {
  readonly name: string;
  readonly mechanism: number;
}

/** A SCRAM credential to set. */
export interface ScramUpsertion extends ScramDeletion {
  readonly iterations: number;
  readonly salt: Uint8Array;
  /** Of the salted password; both are empty when that is. */
  readonly storedKey: Uint8Array;
  readonly serverKey: Uint8Array;
}

/** A broker that came up. */
export interface BrokerRegistration {
  readonly brokerId: number;
  readonly incarnationId: Uuid;
  readonly endPoints: readonly BrokerEndpoint[];
  readonly features: BrokerImage["features"];
  readonly rack: string | null;
  readonly logDirs: readonly Uuid[];
  /** Its epoch when it last stopped cleanly; −1 when it didn't. */
  readonly previousBrokerEpoch: number;
}

/** A controller that came up. */
export interface ControllerRegistration {
  readonly controllerId: number;
  readonly incarnationId: Uuid;
  readonly endPoints: readonly BrokerEndpoint[];
  readonly features: BrokerImage["features"];
}

/** What a broker says again and again. */
export interface BrokerHeartbeat {
  readonly brokerId: number;
  readonly brokerEpoch: number;
  /** The last metadata offset that its image holds; −1: none. */
  readonly currentMetadataOffset: number;
  /** It doesn't want to lead or to be in sync yet. */
  readonly wantFence: boolean;
  /** It wants to stop once nobody needs it. */
  readonly wantShutDown: boolean;
  /** Its log directories that failed. */
  readonly offlineLogDirs: readonly Uuid[];
  /** Its log directories that take no new replicas; null: it doesn't say. */
  readonly cordonedLogDirs: readonly Uuid[] | null;
}

/** A record that changes nothing. */
const NO_OP: MetadataRecord = { type: "NoOp", value: {} };

/** What the controller is asked. Decoded requests satisfy the inputs. */
export type ControllerInput =
  | { readonly type: "bootstrap" }
  | ({ readonly type: "registerBroker" } & BrokerRegistration)
  | ({ readonly type: "brokerHeartbeat" } & BrokerHeartbeat)
  | { readonly type: "fenceStale" }
  | ({ readonly type: "registerController" } & ControllerRegistration)
  | { readonly type: "unregisterBroker"; readonly brokerId: number }
  | { readonly type: "unregisterController"; readonly controllerId: number }
  | ({ readonly type: "alterPartition" } & IsrProposal)
  | ({ readonly type: "assignReplicasToDirs" } & DirectoryAssignment)
  | {
    readonly type: "electLeaders";
    /** 0 preferred, 1 unclean. */
    readonly electionType: number;
    /** Null: wherever it is needed. */
    readonly topicPartitions: readonly TopicElections[] | null;
  }
  | { readonly type: "balanceLeaders" | "electUncleanLeaders" }
  | { readonly type: "writeNoOp" }
  | {
    readonly type: "createTopics";
    readonly topics: readonly NewTopic[];
    readonly validateOnly: boolean;
  }
  | { readonly type: "deleteTopics"; readonly topics: readonly TopicToDelete[] }
  | {
    readonly type: "createPartitions";
    readonly topics: readonly NewPartitions[];
    readonly validateOnly: boolean;
  }
  | {
    readonly type: "incrementalAlterConfigs";
    readonly resources: readonly ConfigChanges[];
    readonly validateOnly: boolean;
  }
  | {
    /** Replaces all configs of a resource: what isn't given is deleted. */
    readonly type: "alterConfigs";
    readonly resources: readonly NewConfigs[];
    readonly validateOnly: boolean;
  }
  | {
    readonly type: "alterPartitionReassignments";
    readonly topics: readonly Reassignment[];
    readonly allowReplicationFactorChange: boolean;
  }
  | {
    readonly type: "updateFeatures";
    readonly featureUpdates: readonly FeatureUpdate[];
    readonly validateOnly: boolean;
  }
  | {
    readonly type: "alterClientQuotas";
    readonly entries: readonly QuotaChanges[];
    readonly validateOnly: boolean;
  }
  | {
    readonly type: "alterUserScramCredentials";
    readonly deletions: readonly ScramDeletion[];
    readonly upsertions: readonly ScramUpsertion[];
  }
  | {
    readonly type: "allocateProducerIds";
    readonly brokerId: number;
    readonly brokerEpoch: number;
  };

/** How creating one topic went; the numbers are −1 when it failed. */
export interface CreatedTopic extends ItemResult {
  readonly name: string;
  readonly topicId: Uuid;
  readonly numPartitions: number;
  readonly replicationFactor: number;
}

/** How deleting one topic went. */
export interface DeletedTopic extends ItemResult {
  readonly name: string | null;
  readonly topicId: Uuid;
}

/** How widening one topic went. */
export interface CreatedPartitions extends ItemResult {
  readonly name: string;
}

/** How changing one resource's configs went. */
export interface AlteredConfigs extends ItemResult {
  readonly resourceType: number;
  readonly resourceName: string;
}

/** How reassigning the partitions of one topic went. */
export interface Reassigned {
  readonly name: string;
  readonly partitions: readonly (ItemResult & {
    readonly partitionIndex: number;
  })[];
}

/** How electing leaders for partitions of one topic went. */
export interface ElectedLeaders {
  readonly topic: string;
  readonly partitions: readonly (ItemResult & {
    readonly partitionIndex: number;
  })[];
}

/** How changing the quotas of one entity went. */
export interface AlteredQuotas extends ItemResult {
  readonly entity: QuotaEntity;
}

/** How changing the credentials of one user went. */
export interface AlteredCredentials extends ItemResult {
  readonly user: string;
}

/** Answers, by the input's type. */
export type ControllerReply =
  | { readonly type: "bootstrap" }
  | { readonly type: "registerBroker"; readonly brokerEpoch: number }
  | {
    readonly type: "brokerHeartbeat";
    /** Whether it knows all that came before its registration. */
    readonly isCaughtUp: boolean;
    readonly isFenced: boolean;
    readonly shouldShutDown: boolean;
  }
  | {
    readonly type: "fenceStale";
    /** Who was fenced, one at a time; −1: nobody is stale. */
    readonly brokerId: number;
  }
  | { readonly type: "unregisterBroker" }
  | { readonly type: "unregisterController" }
  | { readonly type: "registerController" }
  | {
    readonly type: "alterPartition";
    readonly topics: readonly AlteredTopic[];
  }
  | {
    readonly type: "assignReplicasToDirs";
    readonly directories: readonly AssignedDirectory[];
  }
  | { readonly type: "electLeaders"; readonly topics: ElectedLeaders[] }
  | {
    readonly type: "balanceLeaders" | "electUncleanLeaders";
    /** How many there were; more may be needed. */
    readonly elections: number;
  }
  | { readonly type: "writeNoOp" }
  | { readonly type: "createTopics"; readonly topics: CreatedTopic[] }
  | { readonly type: "deleteTopics"; readonly topics: DeletedTopic[] }
  | { readonly type: "createPartitions"; readonly topics: CreatedPartitions[] }
  | {
    readonly type: "incrementalAlterConfigs" | "alterConfigs";
    readonly resources: AlteredConfigs[];
  }
  | {
    readonly type: "alterPartitionReassignments";
    readonly topics: Reassigned[];
  }
  | { readonly type: "updateFeatures"; readonly result: ItemResult }
  | { readonly type: "alterClientQuotas"; readonly entries: AlteredQuotas[] }
  | {
    readonly type: "alterUserScramCredentials";
    readonly results: AlteredCredentials[];
  }
  | {
    readonly type: "allocateProducerIds";
    readonly firstProducerId: number;
    readonly length: number;
  };

/** What a decision reads besides its input. */
export interface ControllerState {
  readonly image: MetadataImage;
  readonly config: BrokerConfig;
  readonly random: Random;
  readonly nextOffset: number;
  readonly contacts: BrokerContacts;
  /** Monotonic time. */
  readonly nowMs: number;
}

/** Records and the answer to give once they are committed. */
export interface ControllerDecision {
  readonly records: readonly MetadataRecord[];
  /** What was heard of a broker: known to this controller only. */
  readonly contact?: BrokerContact;
  readonly reply: ControllerReply;
}

/** What `apply` takes: contacts live in memory only. */
export type ControllerRecord = MetadataRecord | {
  readonly type: "BrokerContact";
  readonly value: BrokerContact;
};

/**
 * Decides over an image of its own.
 *
 * Invariants:
 * 1. `decide` changes nothing; `apply` alone does.
 * 2. What is wrong with one item stands in its result; what is wrong with the
 *    whole input is thrown as a `KafkaError`, and nothing is recorded.
 */
export class Controller
  implements
    Machine<ControllerInput, ControllerRecord, ControllerReply, never> {
  /** The state as decided, committed or not. */
  readonly image = new MetadataImage();
  readonly #contacts: BrokerContacts;
  readonly #config: () => BrokerConfig;
  readonly #random: Random;
  readonly #clock: Pick<Clock, "monoMs">;

  constructor(options: {
    /** The static config with the dynamic one over it. */
    readonly config: () => BrokerConfig;
    readonly random: Random;
    /** How long brokers are silent. */
    readonly clock: Pick<Clock, "monoMs">;
  }) {
    this.#config = options.config;
    this.#random = options.random;
    this.#clock = options.clock;
    this.#contacts = new BrokerContacts(options.clock.monoMs());
  }

  decide(
    input: ControllerInput,
    { nextOffset }: Pick<DecideContext, "nextOffset">,
  ): Decision<ControllerRecord, ControllerReply, never> {
    const { records, contact, reply } = this.#decide(input, {
      image: this.image,
      config: this.#config(),
      random: this.#random,
      nextOffset,
      contacts: this.#contacts,
      nowMs: this.#clock.monoMs(),
    });
    if (contact === undefined) return { records, reply, effects: [] };
    const heard = { type: "BrokerContact", value: contact } as const;
    return { records: [...records, heard], reply, effects: [] };
  }

  apply(record: ControllerRecord): void {
    if (record.type === "BrokerContact") {
      return this.#contacts.heard(record.value);
    }
    this.image.apply(record);
    // Nobody asks this image what changed.
    this.image.takeDelta();
  }

  #decide(input: ControllerInput, state: ControllerState): ControllerDecision {
    switch (input.type) {
      case "bootstrap":
        return bootstrap(state);
      case "registerBroker":
        return registerBroker(input, state);
      case "brokerHeartbeat":
        return brokerHeartbeat(input, state);
      case "fenceStale":
        return fenceStale(state);
      case "registerController":
        return registerController(input, state);
      case "unregisterBroker":
        return unregisterBroker(input, state);
      case "unregisterController":
        return unregisterController(input, state);
      case "alterPartition":
        return alterPartition(input, state);
      case "assignReplicasToDirs":
        return assignReplicasToDirs(input, state);
      case "electLeaders":
        return electLeaders(input, state);
      case "balanceLeaders":
        return balanceLeaders(state);
      case "electUncleanLeaders":
        return electUncleanLeaders(state);
      case "writeNoOp":
        return { records: [NO_OP], reply: { type: "writeNoOp" } };
      case "createTopics":
        return createTopics(input, state);
      case "deleteTopics":
        return deleteTopics(input.topics, state);
      case "createPartitions":
        return createPartitions(input, state);
      case "incrementalAlterConfigs":
        return incrementalAlterConfigs(input, state);
      case "alterConfigs":
        return alterConfigs(input, state);
      case "alterPartitionReassignments":
        return alterPartitionReassignments(input, state);
      case "updateFeatures":
        return updateFeatures(input, state);
      case "alterClientQuotas":
        return alterClientQuotas(input, state);
      case "alterUserScramCredentials":
        return alterUserScramCredentials(input, state);
      case "allocateProducerIds":
        return allocateProducerIds(input, state);
    }
  }
}
