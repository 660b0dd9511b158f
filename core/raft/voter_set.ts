/**
 * Who votes on the metadata log (KIP-853): sets of voters with their
 * directories and endpoints, and the records that hold them. A set is a value;
 * which one counts is for {@linkcode VoterHistory} to say.
 *
 * @module
 */
import { ZERO_UUID } from "../bytes/uuid.ts";
import type { controlBatch, ControlRecord } from "../record/control.ts";
import type { ReplicaKey } from "./messages.ts";
import { decodeControlValue, encodeControlValue } from "./records.ts";

/** Where a voter is reached by the others. */
export interface VoterEndpoint {
  readonly name: string;
  readonly host: string;
  readonly port: number;
}

/** One voter; its directory is `ZERO_UUID` while nobody has to know it. */
export interface VoterNode extends ReplicaKey {
  readonly endpoints: readonly VoterEndpoint[];
  /** Levels of kraft.version that it can take part in. */
  readonly kraftVersions: { readonly min: number; readonly max: number };
}

/** Voters by rising id. */
export type VoterSet = readonly VoterNode[];

/** The levels of kraft.version that are supported here. */
export const KRAFT_VERSIONS = { min: 0, max: 1 } as const;

/** What the log says of its quorum. */
export interface QuorumVoters {
  readonly kraftVersion: number;
  readonly voters: VoterSet;
}

/** Whether `key` is that voter: the same id, and the directory if it is known. */
export function isSameVoter(voter: ReplicaKey, key: ReplicaKey): boolean {
  return voter.id === key.id && (voter.directoryId === ZERO_UUID ||
    voter.directoryId === key.directoryId);
}

/** Whether `key` votes. */
export function hasVoter(voters: VoterSet, key: ReplicaKey): boolean {
  return voters.some((voter) => isSameVoter(voter, key));
}

/** The set with `voter` in it, in the place of one with its id. */
export function withVoter(voters: VoterSet, voter: VoterNode): VoterSet {
  return [...voters.filter(({ id }) => id !== voter.id), voter]
    .sort((a, b) => a.id - b.id);
}

/** Whether both say the same of a voter. */
export function isSameNode(a: VoterNode, b: VoterNode): boolean {
  const text = ({ id, directoryId, endpoints, kraftVersions }: VoterNode) =>
    JSON.stringify([
      id,
      directoryId,
      endpoints.map(({ name, host, port }) => [name, host, port]).sort(),
      kraftVersions.min,
      kraftVersions.max,
    ]);
  return text(a) === text(b);
}

/** Key and value of a control record, before it is in a batch. */
export type ControlInput = Parameters<typeof controlBatch>[0][number];

/** The record that makes `voters` the voters. */
export function votersRecord(voters: VoterSet): ControlInput {
  const value = encodeControlValue("KRAFT_VOTERS", {
    voters: voters.map(({ id, directoryId, endpoints, kraftVersions }) => ({
      voterId: id,
      voterDirectoryId: directoryId,
      endpoints: [...endpoints],
      kRaftVersionFeature: {
        minSupportedVersion: kraftVersions.min,
        maxSupportedVersion: kraftVersions.max,
      },
    })),
  });
  return { type: "KRAFT_VOTERS", value };
}

/** The record that finalizes kraft.version. */
export function kraftVersionRecord(kRaftVersion: number): ControlInput {
  const value = encodeControlValue("KRAFT_VERSION", { kRaftVersion });
  return { type: "KRAFT_VERSION", value };
}

/** The records that say all of it; none while kraft.version is 0. */
export function quorumRecords(quorum: QuorumVoters): ControlInput[] {
  const { kraftVersion, voters } = quorum;
  if (kraftVersion === 0) return [];
  return [kraftVersionRecord(kraftVersion), votersRecord(voters)];
}

/** What the record says of the quorum; undefined: nothing. */
export function decodeQuorumRecord(
  { type, value }: Pick<ControlRecord, "type" | "value">,
): Partial<QuorumVoters> | undefined {
  if (type === "KRAFT_VERSION") {
    const { kRaftVersion } = decodeControlValue("KRAFT_VERSION", value);
    return { kraftVersion: kRaftVersion };
  }
  if (type !== "KRAFT_VOTERS") return undefined;
  const { voters } = decodeControlValue("KRAFT_VOTERS", value);
  const nodes = voters.map((voter): VoterNode => ({
    id: voter.voterId,
    directoryId: voter.voterDirectoryId,
    endpoints: voter.endpoints,
    kraftVersions: {
      min: voter.kRaftVersionFeature.minSupportedVersion,
      max: voter.kRaftVersionFeature.maxSupportedVersion,
    },
  }));
  return { voters: nodes.sort((a, b) => a.id - b.id) };
}
