/**
 * Who belongs to the quorum of the metadata log. Owns the topic's name
 * and how voters are configured and reached; decides nothing.
 *
 * @module
 */
import { ZERO_UUID } from "../../core/bytes/uuid.ts";
import type { VoterNode, VoterSet } from "../../core/raft/voter_set.ts";
import type { Address } from "../tcp/transport.ts";

/** The topic whose only partition is the metadata log. */
export const METADATA_TOPIC = "__cluster_metadata";

/** A voter as it is configured: where it is reached by the others. */
export interface Voter {
  readonly id: number;
  readonly host: string;
  readonly port: number;
}

/** The configured voters, at their listener `name`; no record holds these. */
export function staticVoters(
  voters: readonly Voter[],
  name: string,
): VoterSet {
  return voters.map(({ id, host, port }) => ({
    id,
    directoryId: ZERO_UUID,
    endpoints: port > 0 ? [{ name, host, port }] : [],
    kraftVersions: { min: 0, max: 0 },
  }));
}

/** Where a voter is reached by members of the quorum. */
export function addressAt(
  { endpoints }: Pick<VoterNode, "endpoints">,
  listenerName: string,
): Address | undefined {
  return endpoints.find(({ name }) => name === listenerName) ?? endpoints[0];
}
