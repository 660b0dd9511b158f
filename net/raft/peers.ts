/**
 * Carries raft's messages to the other members: one link to each, dialled when
 * something is to be sent. Owns the links, their addresses and the requests'
 * shapes; it must never decide what an answer means.
 *
 * @module
 */
import {
  METADATA_TOPIC_ID,
  type Uuid,
  ZERO_UUID,
} from "../../core/bytes/uuid.ts";
import { type ErrorName, errorName, KafkaError } from "../../core/errors.ts";
import { wholeBatches } from "../../core/raft/batches.ts";
import type {
  FetchAnswer,
  QuorumAnswer,
  RaftMessage,
  RaftMessageOf,
  VoteAnswer,
} from "../../core/raft/messages.ts";
import type { QuorumVoters, VoterNode } from "../../core/raft/voter_set.ts";
import type { Link } from "../link/link.ts";
import type { Address } from "../tcp/transport.ts";
import { FETCH } from "../wire/01_fetch.ts";
import { VOTE } from "../wire/52_vote.ts";
import { BEGIN_QUORUM_EPOCH } from "../wire/53_begin_quorum_epoch.ts";
import { END_QUORUM_EPOCH } from "../wire/54_end_quorum_epoch.ts";
import { FETCH_SNAPSHOT } from "../wire/59_fetch_snapshot.ts";
import { ADD_RAFT_VOTER } from "../wire/80_add_raft_voter.ts";
import { REMOVE_RAFT_VOTER } from "../wire/81_remove_raft_voter.ts";
import { UPDATE_RAFT_VOTER } from "../wire/82_update_raft_voter.ts";
import { addressAt, METADATA_TOPIC } from "./voters.ts";

/** An answer, with the message that it is to. */
export type Answered =
  | { readonly type: "vote"; readonly answer: VoteAnswer }
  | { readonly type: "told"; readonly answer: QuorumAnswer }
  | { readonly type: "joined"; readonly answer: QuorumAnswer }
  | {
    readonly type: "fetch";
    readonly answer: FetchAnswer;
    readonly records: Uint8Array;
  }
  | {
    readonly type: "snapshot";
    readonly answer: QuorumAnswer;
    readonly bytes: Uint8Array;
    readonly size: number;
  };

/** How long members are waited for. */
export interface PeerTimeouts {
  /** Without a fetch's answer for this long: an election. */
  readonly fetchMs: number;
  /** For an answer to any request. */
  readonly requestMs: number;
}

const FETCH_WAIT_MS_MAX = 500;

/**
 * How long a leader may hold a fetch back: whoever waited for as long as one of
 * its own timers runs would stand for election whenever nothing happens.
 */
export function fetchWaitMs({ fetchMs, requestMs }: PeerTimeouts): number {
  return Math.min(FETCH_WAIT_MS_MAX, fetchMs >> 1, requestMs >> 1);
}

/** What {@linkcode Peers} are made of. */
export interface PeersOptions extends PeerTimeouts {
  readonly own: VoterNode;
  readonly clusterId: Uuid;
  /** Name of the listener at which members are reached. */
  readonly listenerName: string;
  /** Who votes now. */
  readonly quorum: () => QuorumVoters;
  readonly bootstrapServers: readonly Address[];
  readonly connect: (address: Address) => Promise<Link>;
}

interface Peer {
  readonly address: Address;
  readonly link: Promise<Link>;
}

interface Endpoint {
  readonly nodeId: number;
  readonly host: string;
  readonly port: number;
}

const FETCH_BYTES_MAX = 8 * 1024 * 1024;
/** The first version of Vote that has pre-votes. */
const PRE_VOTE_VERSION = 2;
/** From this version of Fetch on replicas tell their state. */
const REPLICA_STATE_VERSION = 15;
const EMPTY = new Uint8Array(0);

/**
 * The links to the other members.
 *
 * Invariants:
 * 1. There is one link to a member at most.
 */
export class Peers {
  readonly #options: PeersOptions;
  readonly #peers = new Map<number, Peer>();
  /** Addresses of leaders, as members told them. */
  readonly #learnt = new Map<number, Address>();
  #isClosed = false;

  constructor(options: PeersOptions) {
    this.#options = options;
  }

  /** Where the member is reached; below −1 are the bootstrap servers. */
  addressOf(id: number): Address | undefined {
    const { quorum, bootstrapServers, listenerName } = this.#options;
    if (id < -1) return bootstrapServers[-2 - id];
    const { kraftVersion, voters } = quorum();
    const voter = voters.find((voter) => voter.id === id);
    const known = voter && addressAt(voter, listenerName);
    const learnt = this.#learnt.get(id);
    // A leader that was moved tells so before the log does.
    return kraftVersion === 0 ? known ?? learnt : learnt ?? known;
  }

  /** Somebody says where a member is reached. */
  learn({ nodeId, host, port }: Endpoint): void {
    if (nodeId >= 0) this.#learnt.set(nodeId, { host, port });
  }

  /** The log says anew where voters are reached. */
  votersChanged(): void {
    for (const { id } of this.#options.quorum().voters) {
      this.#learnt.delete(id);
    }
  }

  /** Levels of kraft.version of who is reached there. */
  async kraftVersionsAt(
    address: Address,
  ): Promise<{ readonly min: number; readonly max: number }> {
    const link = await this.#options.connect(address);
    try {
      const found = link.negotiated.supportedFeatures
        .find(({ name }) => name === "kraft.version");
      return { min: found?.minVersion ?? 0, max: found?.maxVersion ?? 0 };
    } finally {
      link.close();
    }
  }

  /** Sends the message; rejects when no answer will come. */
  async send(message: RaftMessage): Promise<Answered> {
    const link = await this.#linkTo(message.to);
    switch (message.type) {
      case "vote":
        return await this.#vote(link, message);
      case "beginQuorumEpoch":
        return await this.#begin(link, message);
      case "endQuorumEpoch":
        return await this.#end(link, message);
      case "fetch":
        return await this.#fetch(link, message);
      case "fetchSnapshot":
        return await this.#fetchSnapshot(link, message);
      case "updateVoter":
        return await this.#update(link, message);
      case "addVoter":
        return await this.#add(link, message);
      case "removeVoter":
        return await this.#remove(link, message);
    }
  }

  /** Ends all links. */
  close(): void {
    this.#isClosed = true;
    for (const { link } of this.#peers.values()) {
      link.then((open) => open.close(), () => {});
    }
    this.#peers.clear();
  }

  async #linkTo(id: number): Promise<Link> {
    const address = this.addressOf(id);
    if (address === undefined || this.#isClosed) throw unreachable(id);
    let peer = this.#peers.get(id);
    const isSame = peer?.address.host === address.host &&
      peer.address.port === address.port;
    if (peer === undefined || !isSame) {
      peer?.link.then((open) => open.close(), () => {});
      peer = { address, link: this.#options.connect(address) };
      this.#peers.set(id, peer);
    }
    try {
      const link = await peer.link;
      if (link.error !== undefined) throw link.error;
      if (!this.#isClosed) return link;
      link.close();
      throw unreachable(id);
    } catch (error) {
      if (this.#peers.get(id) === peer) this.#peers.delete(id);
      throw error;
    }
  }

  async #vote(link: Link, message: RaftMessageOf<"vote">): Promise<Answered> {
    const { isPreVote, to, epoch, lastEpoch, endOffset } = message;
    const { own, clusterId, requestMs } = this.#options;
    if (isPreVote && (link.version(VOTE) ?? 0) < PRE_VOTE_VERSION) {
      const answer = refusal("UNSUPPORTED_VERSION");
      return { type: "vote", answer: { ...answer, isGranted: false } };
    }
    const { errorCode, topics, nodeEndpoints } = await link.request(VOTE, {
      clusterId,
      voterId: to,
      topics: topic({
        partitionIndex: 0,
        replicaEpoch: epoch,
        replicaId: own.id,
        replicaDirectoryId: own.directoryId,
        voterDirectoryId: this.#directoryOf(to),
        lastOffsetEpoch: lastEpoch,
        lastOffset: endOffset,
        preVote: isPreVote,
      }),
    }, { timeoutMs: requestMs });
    const [partition] = topics[0]?.partitions ?? [];
    const answer = this.#answer(errorCode, partition, nodeEndpoints);
    const isGranted = partition?.voteGranted ?? false;
    return { type: "vote", answer: { ...answer, isGranted } };
  }

  async #begin(
    link: Link,
    { to, epoch }: RaftMessageOf<"beginQuorumEpoch">,
  ): Promise<Answered> {
    const { own, clusterId, requestMs } = this.#options;
    const answer = await link.request(BEGIN_QUORUM_EPOCH, {
      clusterId,
      voterId: to,
      topics: topic({
        partitionIndex: 0,
        voterDirectoryId: this.#directoryOf(to),
        leaderId: own.id,
        leaderEpoch: epoch,
      }),
      leaderEndpoints: this.#ownEndpoints(),
    }, { timeoutMs: requestMs });
    return this.#told(answer);
  }

  async #end(
    link: Link,
    { epoch, successors }: RaftMessageOf<"endQuorumEpoch">,
  ): Promise<Answered> {
    const { own, clusterId, requestMs } = this.#options;
    const answer = await link.request(END_QUORUM_EPOCH, {
      clusterId,
      topics: topic({
        partitionIndex: 0,
        leaderId: own.id,
        leaderEpoch: epoch,
        preferredSuccessors: successors,
        preferredCandidates: successors.map((candidateId) => ({
          candidateId,
          candidateDirectoryId: this.#directoryOf(candidateId),
        })),
      }),
      leaderEndpoints: this.#ownEndpoints(),
    }, { timeoutMs: requestMs });
    return this.#told(answer);
  }

  #told(
    { errorCode, topics, nodeEndpoints }: {
      readonly errorCode: number;
      readonly topics: readonly { readonly partitions: readonly Leading[] }[];
      readonly nodeEndpoints: readonly Endpoint[];
    },
  ): Answered {
    const [partition] = topics[0]?.partitions ?? [];
    const answer = this.#answer(errorCode, partition, nodeEndpoints);
    return { type: "told", answer };
  }

  async #fetch(link: Link, message: RaftMessageOf<"fetch">): Promise<Answered> {
    const { epoch, offset, lastFetchedEpoch, highWatermark } = message;
    const { own, clusterId, requestMs } = this.#options;
    const hasState = (link.version(FETCH) ?? 0) >= REPLICA_STATE_VERSION;
    const replica = hasState
      ? { replicaState: { replicaId: own.id, replicaEpoch: -1 } }
      : { replicaId: own.id };
    const answered = await link.request(FETCH, {
      clusterId,
      ...replica,
      maxWaitMs: fetchWaitMs(this.#options),
      minBytes: 0,
      maxBytes: FETCH_BYTES_MAX,
      sessionId: 0,
      sessionEpoch: -1,
      topics: [{
        topic: METADATA_TOPIC,
        topicId: METADATA_TOPIC_ID,
        partitions: [{
          partition: 0,
          currentLeaderEpoch: epoch,
          fetchOffset: offset,
          lastFetchedEpoch,
          logStartOffset: -1,
          partitionMaxBytes: FETCH_BYTES_MAX,
          replicaDirectoryId: own.directoryId,
          highWatermark,
        }],
      }],
    }, { timeoutMs: requestMs });
    const { errorCode, responses, nodeEndpoints } = answered;
    const [partition] = responses[0]?.partitions ?? [];
    const leading = partition && {
      errorCode: partition.errorCode,
      ...partition.currentLeader,
    };
    const { divergingEpoch, snapshotId, records } = partition ?? {};
    const isDiverging = divergingEpoch && divergingEpoch.endOffset >= 0;
    const hasSnapshot = snapshotId && snapshotId.endOffset >= 0;
    return {
      type: "fetch",
      answer: {
        ...this.#answer(errorCode, leading, nodeEndpoints),
        highWatermark: partition?.highWatermark ?? -1,
        ...isDiverging ? { diverging: divergingEpoch } : {},
        ...hasSnapshot ? { snapshotId } : {},
      },
      records: wholeBatches(records ?? EMPTY),
    };
  }

  async #fetchSnapshot(
    link: Link,
    { epoch, id, position }: RaftMessageOf<"fetchSnapshot">,
  ): Promise<Answered> {
    const { own, clusterId, requestMs } = this.#options;
    const answered = await link.request(FETCH_SNAPSHOT, {
      clusterId,
      replicaId: own.id,
      maxBytes: FETCH_BYTES_MAX,
      topics: [{
        name: METADATA_TOPIC,
        partitions: [{
          partition: 0,
          currentLeaderEpoch: epoch,
          snapshotId: id,
          position,
          replicaDirectoryId: own.directoryId,
        }],
      }],
    }, { timeoutMs: requestMs });
    const { errorCode, topics, nodeEndpoints } = answered;
    const [partition] = topics[0]?.partitions ?? [];
    const leading = partition && {
      errorCode: partition.errorCode,
      ...partition.currentLeader,
    };
    return {
      type: "snapshot",
      answer: this.#answer(errorCode, leading, nodeEndpoints),
      bytes: partition?.unalignedRecords ?? EMPTY,
      size: partition?.size ?? 0,
    };
  }

  /** What an answer tells of the quorum; endpoints are learnt on the way. */
  #answer(
    errorCode: number,
    leading: Leading | undefined,
    endpoints: readonly Endpoint[],
  ): QuorumAnswer {
    for (const endpoint of endpoints) this.learn(endpoint);
    if (errorCode !== 0) return refusal(errorName(errorCode));
    if (leading === undefined) return refusal("UNKNOWN_SERVER_ERROR");
    return {
      error: errorName(leading.errorCode),
      leaderId: leading.leaderId,
      epoch: leading.leaderEpoch,
    };
  }

  async #update(
    link: Link,
    message: RaftMessageOf<"updateVoter">,
  ): Promise<Answered> {
    const { own, clusterId, requestMs } = this.#options;
    const { min, max } = own.kraftVersions;
    const { errorCode, currentLeader } = await link.request(
      UPDATE_RAFT_VOTER,
      {
        clusterId,
        currentLeaderEpoch: message.epoch,
        voterId: own.id,
        voterDirectoryId: own.directoryId,
        listeners: [...own.endpoints],
        kRaftVersionFeature: {
          minSupportedVersion: min,
          maxSupportedVersion: max,
        },
      },
      { timeoutMs: requestMs },
    );
    const { leaderId, leaderEpoch: epoch, host, port } = currentLeader;
    if (host !== "") this.learn({ nodeId: leaderId, host, port });
    const answer = { error: errorName(errorCode), leaderId, epoch };
    return { type: "joined", answer };
  }

  async #add(
    link: Link,
    { epoch }: RaftMessageOf<"addVoter">,
  ): Promise<Answered> {
    const { own, clusterId, requestMs } = this.#options;
    const { errorCode } = await link.request(ADD_RAFT_VOTER, {
      clusterId,
      timeoutMs: requestMs,
      voterId: own.id,
      voterDirectoryId: own.directoryId,
      listeners: [...own.endpoints],
      // What it waits for would have to be fetched by this very link.
      ...(link.version(ADD_RAFT_VOTER) ?? 0) >= 1
        ? { ackWhenCommitted: false }
        : {},
    }, { timeoutMs: requestMs });
    const answer = { error: errorName(errorCode), leaderId: -1, epoch };
    return { type: "joined", answer };
  }

  async #remove(
    link: Link,
    { epoch, voter }: RaftMessageOf<"removeVoter">,
  ): Promise<Answered> {
    const { clusterId, requestMs } = this.#options;
    const { errorCode } = await link.request(REMOVE_RAFT_VOTER, {
      clusterId,
      voterId: voter.id,
      voterDirectoryId: voter.directoryId,
    }, { timeoutMs: requestMs });
    const answer = { error: errorName(errorCode), leaderId: -1, epoch };
    return { type: "joined", answer };
  }

  #directoryOf(id: number): Uuid {
    return this.#options.quorum().voters.find((voter) => voter.id === id)
      ?.directoryId ?? ZERO_UUID;
  }

  #ownEndpoints() {
    return [...this.#options.own.endpoints];
  }
}

interface Leading {
  readonly errorCode: number;
  readonly leaderId: number;
  readonly leaderEpoch: number;
}

function topic<P>(partition: P) {
  return [{ topicName: METADATA_TOPIC, partitions: [partition] }];
}

/** An answer that tells nothing of the quorum. */
function refusal(error: ErrorName): QuorumAnswer {
  return { error, leaderId: -1, epoch: -1 };
}

function unreachable(id: number): KafkaError {
  return new KafkaError(
    "NETWORK_EXCEPTION",
    `Cannot reach member ${id} of the quorum: its address is not known`,
  );
}
