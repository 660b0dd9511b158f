/**
 * Several voters from the first start on (KIP-853): what `kf.initial.controllers`
 * says, and the snapshot 0-0 that says it to a metadata log which is empty, as
 * Kafka's `format --initial-controllers` writes it. Owns how the key must fit
 * the others; a folder that has begun is never changed.
 *
 * @module
 */
import { isUuid, type Uuid, ZERO_UUID } from "../../core/bytes/uuid.ts";
import type { BrokerConfig } from "../../core/config/resolve.ts";
import type { Env } from "../../core/env/env.ts";
import { KafkaError } from "../../core/errors.ts";
import { encodeSnapshot } from "../../core/raft/snapshot.ts";
import { newestSnapshot } from "../../core/raft/snapshot_files.ts";
import { KRAFT_VERSIONS } from "../../core/raft/voter_set.ts";
import { QuorumFiles } from "../raft/quorum_files.ts";
import { type ConfiguredVoter, parseVoter } from "./roles.ts";

const KEY = "kf.initial.controllers";
/** What holds before the first record. */
const NOTHING_YET = { endOffset: 0, epoch: 0 };

/** One of those who vote first. */
interface InitialVoter extends ConfiguredVoter {
  readonly directoryId: Uuid;
}

function refuse(text: string, why: string): KafkaError {
  return new KafkaError(
    "INVALID_CONFIG",
    `Invalid value "${text}" for broker config "${KEY}": ${why}`,
  );
}

function parseInitial(text: string): InitialVoter {
  const at = text.lastIndexOf(":");
  const directoryId = text.slice(at + 1);
  const voter = parseVoter(text.slice(0, Math.max(at, 0)));
  const isGood = voter !== undefined && isUuid(directoryId) &&
    directoryId !== ZERO_UUID;
  if (!isGood) throw refuse(text, "write ID@HOST:PORT:DIRECTORY");
  return { ...voter, directoryId };
}

/** Who votes first; none where that isn't said. */
function initialVoters(config: BrokerConfig): InitialVoter[] {
  const voters = config[KEY].map(parseInitial);
  if (voters.length === 0) return voters;
  const text = config[KEY].join();
  const isTwice = (["id", "directoryId"] as const).some((name) =>
    new Set(voters.map((voter) => voter[name])).size < voters.length
  );
  if (isTwice) throw refuse(text, "an id or a directory is named twice");
  if (config["controller.quorum.voters"].length > 0) {
    throw refuse(text, "controller.quorum.voters says who votes, for ever");
  }
  if (config["controller.quorum.bootstrap.servers"].length === 0) {
    const why =
      "name them in controller.quorum.bootstrap.servers, too: later starts go by that";
    throw refuse(text, why);
  }
  const nodeId = config["node.id"];
  const isController = config["process.roles"].includes("controller");
  if (isController && voters.some(({ id }) => id === nodeId)) return voters;
  throw refuse(text, `node ${nodeId} is not a controller that it names`);
}

/** The id that a new data folder of this node must have; undefined: any. */
export function initialDirectory(config: BrokerConfig): Uuid | undefined {
  const nodeId = config["node.id"];
  return initialVoters(config).find(({ id }) => id === nodeId)?.directoryId;
}

/** Has an empty metadata log begin with those who vote first. */
export function beginWithVoters(
  { disk, clock }: Pick<Env, "disk" | "clock">,
  { config, folder, logEndOffset, directoryId }: {
    readonly config: BrokerConfig;
    /** The folder `__cluster_metadata-0`. */
    readonly folder: string;
    readonly logEndOffset: number;
    /** Of the data folder. */
    readonly directoryId: Uuid;
  },
): void {
  const voters = initialVoters(config);
  const hasBegun = logEndOffset > 0 ||
    newestSnapshot(disk, folder) !== undefined;
  if (voters.length === 0 || hasBegun) return;
  if (initialDirectory(config) !== directoryId) {
    const why = `the data folder is of directory ${directoryId} already`;
    throw refuse(config[KEY].join(), why);
  }
  const name = config["controller.listener.names"][0]!.toUpperCase();
  const batches = encodeSnapshot([], {
    id: NOTHING_YET,
    nowMs: clock.wallMs(),
    quorum: {
      kraftVersion: KRAFT_VERSIONS.max,
      voters: voters.map(({ id, directoryId, host, port }) => ({
        id,
        directoryId,
        endpoints: [{ name, host, port }],
        kraftVersions: KRAFT_VERSIONS,
      })),
    },
  });
  new QuorumFiles(disk, folder).writeSnapshot(NOTHING_YET, batches);
}
