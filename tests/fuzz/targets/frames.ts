/**
 * Bytes on a connection of a running broker: requests of every API at every
 * version, whole or damaged, and bytes that are none. It answers or closes,
 * goes on serving others, traces no error, stops in time, and opens its folder
 * again.
 *
 * @module
 */
import { encodeSubscription } from "../../../core/assign/protocol.ts";
import { BROKER_KEYS } from "../../../core/config/broker_keys.ts";
import { TOPIC_KEYS } from "../../../core/config/topic_keys.ts";
import { uuidFromBytes } from "../../../core/bytes/uuid.ts";
import type { Api } from "../../../net/wire/api.ts";
import { APIS } from "../../../net/wire/api_keys.ts";
import { encodeRequest } from "../../../net/wire/headers.ts";
import { someBatch } from "../batches.ts";
import { Arena, TOPIC_ID_HERE } from "../arena.ts";
import type { Chance } from "../../sim/chance.ts";
import { mutate } from "../mutate.ts";
import { type FuzzTarget, joined } from "../target.ts";
import { valueOf, type Words } from "../values.ts";

const TEXT = new TextEncoder();
const SIZE_BYTES = 4;
const REQUESTS = [...APIS.values()];
const CONFIG_NAMES = [...Object.keys(TOPIC_KEYS), ...Object.keys(BROKER_KEYS)];

const topic = (chance: Chance) =>
  chance.pick(["t", "t", "c", "new", "__consumer_offsets", "none", "a b"]);
const group = (chance: Chance) => chance.pick(["g", "g", "h", "", "none"]);
const partition = (chance: Chance) => chance.pick([0, 0, 0, 1, 2, -1]);
const short = (chance: Chance) => chance.pick([0, 1, 20]);
const offset = (chance: Chance) => chance.pick([0, 0, 1, 5, -1, -2, -3]);
const epoch = (chance: Chance) => chance.pick([-1, -1, 0, 1, 2]);
const config = (chance: Chance) => chance.pick(CONFIG_NAMES);
const count = (chance: Chance) => chance.pick([1, 2, 3, -1, 0, 10_001]);

/** Names that lead a request past the first check. */
const WORDS: Words = {
  topic,
  name: (chance) => chance.oneIn(3) ? config(chance) : topic(chance),
  topicName: topic,
  topics: topic,
  topicNames: topic,
  topicId: () => uuidFromBytes(TEXT.encode(TOPIC_ID_HERE)),
  subscribedTopicNames: topic,
  subscribedTopicRegex: (chance) => chance.pick(["t|c", ".*", "(", "a{9}{9}"]),
  groupId: group,
  groupIds: group,
  groups: group,
  groupsNames: group,
  group,
  key: group,
  coordinatorKeys: group,
  memberId: (chance) => chance.pick(["", "", "AAAAAAAAAAAAAAAAAAAAAQ", "m"]),
  groupInstanceId: (chance) => chance.pick([null, "i", "j"]),
  instanceId: (chance) => chance.pick([null, "i", "j"]),
  memberEpoch: (chance) => chance.pick([0, -1, -2, 1, 2, 3]),
  generationId: (chance) => chance.pick([-1, 0, 1, 2]),
  serverAssignor: (chance) => chance.pick([null, "uniform", "range", "x"]),
  protocolType: () => "consumer",
  metadata: () =>
    encodeSubscription({ topics: ["t"], ownedPartitions: [] }) as unknown,
  partition,
  partitionIndex: partition,
  partitionId: partition,
  index: partition,
  partitions: partition,
  partitionIndexes: partition,
  partitionIds: partition,
  records: someBatch,
  acks: (chance) => chance.pick([-1, 1, 0]),
  timeoutMs: short,
  maxWaitMs: short,
  sessionTimeoutMs: (chance) => chance.pick([6000, 10_000]),
  rebalanceTimeoutMs: (chance) => chance.pick([6000, 10_000]),
  fetchOffset: offset,
  offset,
  committedOffset: offset,
  timestamp: offset,
  currentLeaderEpoch: epoch,
  leaderEpoch: epoch,
  lastFetchedEpoch: () => -1,
  sessionId: (chance) => chance.pick([0, 0, 1]),
  sessionEpoch: (chance) => chance.pick([-1, -1, 0, 1]),
  replicaId: () => -1,
  maxBytes: (chance) => chance.pick([1 << 20, 1 << 20, 0, 100]),
  partitionMaxBytes: (chance) => chance.pick([1 << 20, 1 << 20, 0, 100]),
  transactionalId: (chance) => chance.pick([null, "x", "x", "y"]),
  v3AndBelowTransactionalId: () => "x",
  producerId: (chance) => chance.pick([-1, 0, 0, 1, 2]),
  producerEpoch: (chance) => chance.pick([-1, 0, 0, 1]),
  transactionTimeoutMs: (chance) => chance.pick([1000, 60_000, 0, -1]),
  coordinatorEpoch: (chance) => chance.pick([0, 1, -1]),
  numPartitions: count,
  count,
  replicationFactor: (chance) => chance.pick([1, 1, -1, 2]),
  brokerIds: () => 0,
  replicas: () => 0,
  resourceType: (chance) => chance.pick([2, 4, 32, 16, 1]),
  resourceName: (chance) => chance.pick(["t", "0", "", "g"]),
  configName: config,
  configurationKeys: config,
  value: (chance) =>
    chance.pick(["1", "1048576", "-1", "compact", "delete", "true", "zstd"]),
  configOperation: (chance) => chance.pick([0, 1, 2, 3]),
  entityType: (chance) => chance.pick(["user", "client-id", "ip", "x"]),
  user: (chance) => chance.pick(["u", ""]),
  feature: (chance) => chance.pick(["metadata.version", "group.version", "x"]),
};

function requestFrame(chance: Chance): Uint8Array {
  const api: Api = chance.pick(REQUESTS);
  const { min, max } = api.versions;
  const version = min + chance.below(max - min + 1);
  const body = valueOf(api.request, { version, chance, words: WORDS });
  return encodeRequest({
    api,
    version,
    correlationId: chance.below(1000),
    clientId: chance.pick(["fuzz", null, ""]),
  }, body);
}

/** A frame with the size that it has. */
function framed(body: Uint8Array): Uint8Array {
  const frame = new Uint8Array(SIZE_BYTES + body.length);
  new DataView(frame.buffer).setInt32(0, body.length);
  frame.set(body, SIZE_BYTES);
  return frame;
}

function someFrame(chance: Chance): Uint8Array {
  const frame = requestFrame(chance);
  switch (chance.below(8)) {
    case 0:
      return chance.bytes(chance.size(200));
    case 1:
      return framed(chance.bytes(chance.size(200)));
    case 2:
      return mutate(frame, chance);
    case 3:
    case 4:
      return framed(mutate(frame.subarray(SIZE_BYTES), chance));
    default:
      return frame;
  }
}

let arena: Arena | undefined;

export const frames: FuzzTarget = {
  name: "frames",
  // A frame of the largest size that is received before it is judged.
  extraBytesMax: 32 * 1024 * 1024,
  async prepare() {
    arena ??= await Arena.open();
  },
  generate(chance) {
    return joined(
      Array.from({ length: 1 + chance.size(8) }, () => someFrame(chance)),
    );
  },
  run: (input) => arena!.take(input),
  async close() {
    await arena?.close();
    arena = undefined;
  },
};
