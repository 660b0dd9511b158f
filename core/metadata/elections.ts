/**
 * The decisions to elect other leaders: the preferred ones, asked for or from
 * time to time, and those that may lose records. Decides only.
 *
 * @module
 */
import { type ErrorName, KafkaError } from "../errors.ts";
import { allowsUncleanLeaders } from "./cluster_settings.ts";
import type {
  ControllerDecision,
  ControllerState,
  ElectedLeaders,
} from "./controller.ts";
import type { PartitionImage, TopicImage } from "./image.ts";
import { partitionChange } from "./partition_change.ts";
import type { MetadataRecord } from "./records.ts";
import { itemResult } from "./topics.ts";

/** Elections that one periodic round decides at most; others come later. */
const ROUND_ELECTIONS_MAX = 1000;

const ELECTION = { PREFERRED: 0, UNCLEAN: 1 } as const;

/** A topic whose partitions are to get other leaders. */
export interface TopicElections {
  readonly topic: string;
  readonly partitions: readonly number[];
}

const MESSAGES: Partial<Record<ErrorName, string>> = {
  UNKNOWN_TOPIC_OR_PARTITION: "There is no such partition",
  ELECTION_NOT_NEEDED: "Its leader is the one that would be elected",
  PREFERRED_LEADER_NOT_AVAILABLE: "Its preferred replica is not available",
  ELIGIBLE_LEADERS_NOT_AVAILABLE: "None of its replicas is available",
};

/** Elects the leaders that were asked for; null: wherever it is needed. */
export function electLeaders(
  { electionType, topicPartitions }: {
    readonly electionType: number;
    readonly topicPartitions: readonly TopicElections[] | null;
  },
  state: ControllerState,
): ControllerDecision {
  if (!(Object.values(ELECTION) as number[]).includes(electionType)) {
    throw new KafkaError(
      "INVALID_REQUEST",
      `Election type ${electionType} is not known`,
    );
  }
  const asked = topicPartitions ?? wherever(electionType, state);
  // A partition that is named twice is elected once.
  const records = new Map<string, MetadataRecord>();
  const topics = asked.map(({ topic, partitions }): ElectedLeaders => ({
    topic,
    partitions: partitions.map((partitionIndex) => ({
      partitionIndex,
      ...itemResult(() => {
        const record = elected(topic, partitionIndex, { electionType, state });
        records.set(`${topic}:${partitionIndex}`, record);
      }),
    })),
  }));
  return {
    records: [...records.values()],
    reply: { type: "electLeaders", topics },
  };
}

/** Every topic, with the partitions that may need another leader. */
function wherever(
  electionType: number,
  { image }: ControllerState,
): TopicElections[] {
  return Array.from(image.topics.values(), ({ name, partitions }) => ({
    topic: name,
    partitions: [...partitions.keys()].filter((index) =>
      !isSettled(partitions[index]!, electionType)
    ),
  }));
}

function isSettled(
  { leader, replicas }: PartitionImage,
  electionType: number,
): boolean {
  return electionType === ELECTION.PREFERRED
    ? leader === replicas[0]
    : leader !== -1;
}

function elected(
  name: string,
  index: number,
  { electionType, state }: {
    readonly electionType: number;
    readonly state: ControllerState;
  },
): MetadataRecord {
  const refuse = (error: ErrorName) => new KafkaError(error, MESSAGES[error]!);
  const topic = state.image.topic(name);
  const partition = topic?.partitions[index];
  if (topic === undefined || partition === undefined) {
    throw refuse("UNKNOWN_TOPIC_OR_PARTITION");
  }
  if (isSettled(partition, electionType)) throw refuse("ELECTION_NOT_NEEDED");
  const isPreferred = electionType === ELECTION.PREFERRED;
  const election = isPreferred ? "preferred" : "unclean";
  const record = partitionChange({ topic, index }, { state, election });
  if (record !== undefined) return record;
  throw refuse(
    isPreferred
      ? "PREFERRED_LEADER_NOT_AVAILABLE"
      : "ELIGIBLE_LEADERS_NOT_AVAILABLE",
  );
}

/** Gives the lead back to preferred replicas that are in sync again. */
export function balanceLeaders(state: ControllerState): ControllerDecision {
  const records: MetadataRecord[] = [];
  for (const topic of state.image.topics.values()) {
    for (const [index, { leader, replicas }] of topic.partitions.entries()) {
      if (leader === replicas[0]) continue;
      add(records, { topic, index }, { state, election: "preferred" });
    }
  }
  return round("balanceLeaders", records);
}

/** Elects whoever lives where nobody in sync does, and topics allow that. */
export function electUncleanLeaders(
  state: ControllerState,
): ControllerDecision {
  const records: MetadataRecord[] = [];
  for (const place of state.image.leaderlessPartitions()) {
    if (!allowsUncleanLeaders(state, place.topic.name)) continue;
    add(records, place, { state, election: "unclean" });
  }
  return round("electUncleanLeaders", records);
}

function add(
  records: MetadataRecord[],
  place: { readonly topic: TopicImage; readonly index: number },
  options: Parameters<typeof partitionChange>[1],
): void {
  if (records.length >= ROUND_ELECTIONS_MAX) return;
  const record = partitionChange(place, options);
  if (record !== undefined) records.push(record);
}

function round(
  type: "balanceLeaders" | "electUncleanLeaders",
  records: readonly MetadataRecord[],
): ControllerDecision {
  return { records, reply: { type, elections: records.length } };
}
