/**
 * The ways in which `deno task sim:mutants --cluster` breaks the code of several
 * nodes: the quorum, replication, the controller. Owns the list alone;
 * `mutants.ts` holds it against the code.
 *
 * @module
 */
import type { Mutant } from "./mutant_list.ts";

/** All of them. */
export const CLUSTER_MUTANTS: readonly Mutant[] = [
  {
    name: "metadata of older epochs are committed by count",
    file: "core/raft/raft.ts",
    isOfQuorum: true,
    edits: [["if (offset <= this.#epochStart) return;", ""]],
  },
  {
    name: "metadata are committed when one voter has them",
    file: "core/raft/replicas.ts",
    isOfQuorum: true,
    edits: [["offsets[offsets.length >> 1]", "offsets[0]"]],
  },
  {
    name: "a vote is kept in memory only",
    file: "core/raft/voting.ts",
    isOfQuorum: true,
    edits: [[
      "return a.epoch === b.epoch && a.leaderId === b.leaderId &&\n    a.votedId === b.votedId &&\n    votedOf(a).directoryId === votedOf(b).directoryId;",
      "return a.leaderId < 0 || a.epoch === b.epoch && a.leaderId === b.leaderId;",
    ]],
  },
  {
    name: "who led goes on in the same epoch after a restart",
    file: "core/raft/raft.ts",
    isOfQuorum: true,
    edits: [[
      '      this.#role = "resigned";\n      this.#deadlineMs = this.#nowMs + this.#electionMs();\n',
      "      this.#toLeader();\n",
    ]],
  },
  {
    name: "a voter votes for whose log is shorter",
    file: "core/raft/voting.ts",
    isOfQuorum: true,
    edits: [[
      "lastEpoch === log.lastEpoch && endOffset >= log.logEndOffset;",
      "lastEpoch === log.lastEpoch;",
    ]],
  },
  {
    name: "a voter votes again in an epoch",
    file: "core/raft/voting.ts",
    isOfQuorum: true,
    edits: [["if (voted.id >= 0) {", "if (voted.id === id) {"]],
  },
  {
    name: "half of the voters elect a leader",
    file: "core/raft/voting.ts",
    isOfQuorum: true,
    edits: [[
      "const majority = (voters.length >> 1) + 1;",
      "const majority = (voters.length + 1) >> 1;",
    ]],
  },
  {
    name: "a voter fetches before it has synced",
    file: "core/raft/raft.ts",
    isOfQuorum: true,
    edits: [
      ["    if (this.#syncedOffset < this.#endOffset) return [];\n", ""],
      [
        "      this.#syncedOffset === this.#endOffset,\n",
        "      this.#syncedOffset <= this.#endOffset,\n",
      ],
    ],
  },
  {
    name: "a metadata snapshot ends within a batch",
    file: "net/raft/quorum.ts",
    isOfQuorum: true,
    edits: [[
      "const id = { endOffset, epoch: log.epochAt(endOffset - 1) };",
      "endOffset--;\n    const id = { endOffset, epoch: log.epochAt(endOffset - 1) };",
    ]],
  },
  {
    name: "voters count from their commit on",
    file: "net/raft/quorum.ts",
    plan: 3,
    edits: [[
      "        return history.latest;\n",
      "        return history.at(highWatermark());\n",
    ], [
      "    const history = this.#history;\n    return {",
      "    const history = this.#history;\n    const highWatermark = () => this.#raft?.highWatermark ?? Infinity;\n    return {",
    ]],
  },
  {
    name: "who is removed can't be elected while that isn't committed",
    file: "core/raft/raft.ts",
    isOfQuorum: true,
    edits: [[
      "offset >= this.#highWatermark && hasVoter(previous, this.#own);",
      "offset < -1 && hasVoter(previous, this.#own);",
    ]],
  },
  {
    name: "a change of voters doesn't wait for the one before",
    file: "core/raft/voter_changes.ts",
    isOfQuorum: true,
    edits: [["return offset < highWatermark\n", "return offset < Infinity\n"]],
  },
  {
    name: "a leader counts on the voters with which it began",
    file: "core/raft/raft.ts",
    plan: 3,
    edits: [["      this.#replicas.setVoters(voters, this.#nowMs);\n", ""]],
  },
  {
    name: "who isn't in sync is elected where that is forbidden, too",
    file: "core/metadata/partition_change.ts",
    plan: 3,
    edits: [[
      'options.election === "unclean"\n',
      'options.election !== "preferred"\n',
    ]],
  },
  {
    name: "a follower takes in what fails its CRC",
    file: "core/log/truncation.ts",
    plan: 3,
    edits: [["&& view.isCrcValid()", "&& view.lastOffsetDelta >= 0"]],
  },
  {
    name: "a fetched snapshot is taken for the image without what it lacks",
    file: "net/server/metadata_log.ts",
    edits: [["    this.image.replaceWith(committed);\n", ""]],
  },
  {
    name:
      "the metadata log is replayed from the newest snapshot onto the oldest",
    file: "net/raft/quorum.ts",
    isOfQuorum: true,
    edits: [["    this.#found = undefined;\n", ""], [
      "const from = snapshot?.id.endOffset ?? 0;",
      "const from = this.#files.newestSnapshot?.endOffset ?? 0;",
    ]],
  },
  {
    name: "a proposed shrink counts as shrunk",
    file: "core/partition/in_sync_replicas.ts",
    edits: [[
      "ids.length > this.#committed.length ? ids : this.#committed",
      "ids",
    ]],
  },
  {
    name: "a proposed expansion does not count",
    file: "core/partition/in_sync_replicas.ts",
    plan: 4,
    edits: [[
      "ids.length > this.#committed.length ? ids : this.#committed",
      "this.#committed",
    ]],
  },
  {
    name: "an ISR shrinks without the controller",
    file: "core/partition/partition.ts",
    edits: [[
      "if (kept.length < committed.length) this.#propose(kept);",
      "if (kept.length < committed.length) this.#inSync.commit(kept);",
    ]],
  },
  {
    name: "an epoch begins with its first append",
    file: "core/partition/partition.ts",
    edits: [["    log.assignEpoch(leaderEpoch);\n", ""], [
      "      const { leaderEpoch } = this;\n      const appended",
      "      const { leaderEpoch } = this;\n      this.log.assignEpoch(leaderEpoch);\n      const appended",
    ]],
  },
  {
    name: "a follower is cut at its high watermark",
    file: "core/partition/partition.ts",
    edits: [[
      "const isUnknown = log.latestEpoch === -1 &&",
      "const isUnknown =",
    ]],
  },
  {
    name: "the high watermark falls to what a new leader tells",
    file: "core/partition/partition.ts",
    edits: [[
      "const told = Math.max(this.#highWatermark, leaderHighWatermark);",
      "const told = leaderHighWatermark;",
    ]],
  },
  {
    name: "a record is acknowledged before the ISR has it",
    file: "core/partition/partition.ts",
    edits: [[
      "if (this.#state.replicas.length > 1) settled = this.#replicated(settled);",
      "",
    ]],
  },
  {
    name: "records are committed below min.insync.replicas",
    file: "core/partition/partition.ts",
    edits: [[
      "return this.#inSync.committed.length < this.minIsr;",
      "return this.#inSync.committed.length < 1;",
    ], [
      "return this.#inSync.maximal.length < this.minIsr;",
      "return this.#inSync.maximal.length < 1;",
    ]],
  },
  {
    name: "a replica joins the ISR before it has what the epoch began with",
    file: "core/partition/partition.ts",
    edits: [[
      "offset >= this.#highWatermark && offset >= this.#epochStart &&",
      "offset >= 0 &&",
    ]],
  },
  {
    name: "a follower is not cut where the logs part",
    file: "core/partition/follower.ts",
    plan: 2,
    edits: [[
      "log.truncateTo(sharedEnd(log, divergingEpoch));",
      "log.truncateTo(Math.min(log.logEndOffset, divergingEpoch.endOffset));",
    ]],
  },
  {
    name: "a follower that owes a flush fetches on",
    file: "core/partition/partition.ts",
    edits: [[
      "return !this.#isLeader && !isOffline && settledOffset < logEndOffset;",
      "return !this.#isLeader && !isOffline && settledOffset < -logEndOffset;",
    ]],
  },
  {
    name: "a follower counts what its disk refused",
    file: "core/partition/partition.ts",
    edits: [[
      "      this.log.writeStaged();\n      return step;",
      "      return step;",
    ]],
  },
  {
    name: "an ISR with a stale broker epoch is accepted",
    file: "core/metadata/alter_partition.ts",
    plan: 4,
    edits: [[
      "(member.brokerEpoch === -1 ||",
      "(member.brokerEpoch >= -1 ||",
    ]],
  },
  {
    name: "a leader takes in a former incarnation of a follower",
    file: "net/server/hosting.ts",
    plan: 4,
    edits: [[
      "(epoch === -1 || epoch === broker.epoch)",
      "epoch >= -1",
    ]],
  },
  {
    name: "a broker that stopped uncleanly stays eligible",
    file: "core/metadata/brokers.ts",
    edits: [[
      "before?.epoch === registration.previousBrokerEpoch",
      "before !== undefined",
    ]],
  },
  {
    name: "a broker whose ISR is empty elects anybody",
    file: "core/metadata/partition_change.ts",
    edits: [[
      "const pool = isr.length > 0 ? isr : elr;",
      "const pool = isr.some(isAlive) ? isr : replicas;",
    ]],
  },
  {
    name: "a move ends before the new replicas are in sync",
    file: "core/metadata/partition_change.ts",
    edits: [[
      "const isDone = isr.length > 0 && without(needed, isr).length === 0;",
      "const isDone = isr.length > 0;",
    ]],
  },
  {
    name: "clients are accepted before the broker is unfenced",
    file: "net/metadata/broker_lifecycle.ts",
    edits: [[
      "await this.#until(({ isFenced }) => isFenced === false && isServing());",
      "await this.#until(() => isServing() || true);",
    ]],
  },
  {
    name: "a coordinator answers before its records are replicated",
    file: "core/coordinator/host.ts",
    edits: [[
      "if (lastOffset === undefined || lastOffset >= this.#highWatermark) {",
      "if (lastOffset === -2) {",
    ]],
  },
  {
    name: "two brokers get the same producer ids",
    file: "core/metadata/producer_ids.ts",
    edits: [[
      "nextProducerId: firstProducerId + PRODUCER_ID_BLOCK,",
      "nextProducerId: firstProducerId + 1,",
    ]],
  },
];
