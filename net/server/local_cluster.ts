/**
 * Several nodes on one machine, in one folder: which config each gets, so that
 * they are one cluster. Owns ports, subfolders and the cluster's id; starts
 * nothing itself.
 *
 * @module
 */
import { uuidFromRandom } from "../../core/bytes/uuid.ts";
import { DiskError, type Env } from "../../core/env/env.ts";
import { KafkaError } from "../../core/errors.ts";
import { parseMeta } from "../../core/log/folder_files.ts";
import type { Transport } from "../tcp/transport.ts";

/** How a {@linkcode localNodes} cluster is to be. */
export interface LocalClusterOptions {
  readonly env: Pick<Env, "disk" | "random">;
  readonly transport: Transport;
  /** How many nodes; each is a broker and votes. */
  readonly nodes: number;
  /** Node N has its data in the subfolder N. */
  readonly folder: string;
  /**
   * The first node's port, the others' follow; 0 takes free ones at the start,
   * "fixed" now, for nodes that come back where they were.
   */
  readonly port: number | "fixed";
  /** For all of them, over what is given here. */
  readonly config: ReadonlyMap<string, string>;
}

const HOST = "localhost";
const REPLICAS_MAX = 3;
/** In one process nobody is late: the first controller is there at once. */
const ELECTION_MS = "100";

/** The config of each node, in the order of their ids from 1. */
export function localNodes(
  options: LocalClusterOptions,
): Map<string, string>[] {
  const { nodes, folder, port, config } = options;
  const clusterId = clusterIdIn(options);
  const ids = Array.from({ length: nodes }, (_, i) => i + 1);
  const free = freePorts(options, 2 * nodes);
  const controllers = free.slice(nodes);
  const portOf = (i: number) =>
    port === "fixed" ? free[i]! : port === 0 ? 0 : port + i;
  const replicas = String(Math.min(nodes, REPLICAS_MAX));
  const inSync = String(Math.min(nodes, 2));
  return ids.map((id, i) =>
    new Map([
      ["controller.quorum.election.timeout.ms", ELECTION_MS],
      ["default.replication.factor", replicas],
      ["min.insync.replicas", inSync],
      ["offsets.topic.replication.factor", replicas],
      ["transaction.state.log.replication.factor", replicas],
      ["transaction.state.log.min.isr", inSync],
      ...config,
      ["node.id", String(id)],
      ["kf.cluster.id", clusterId],
      ["log.dirs", `${folder}/${id}`],
      [
        "listeners",
        `PLAINTEXT://${HOST}:${portOf(i)},` +
        `CONTROLLER://${HOST}:${controllers[i]}`,
      ],
      ["controller.listener.names", "CONTROLLER"],
      [
        "controller.quorum.voters",
        ids.map((each, j) => `${each}@${HOST}:${controllers[j]}`).join(),
      ],
    ])
  );
}

/** The cluster whose nodes the folder holds, or a new one. */
function clusterIdIn(
  { env: { disk, random }, folder, nodes }: LocalClusterOptions,
): string {
  const found: string[] = [];
  let id = 1;
  for (;; id++) {
    const text = readText(disk, `${folder}/${id}/meta.properties`);
    if (text === undefined) break;
    found.push(parseMeta(text)?.clusterId ?? "");
  }
  const isOfOne = readText(disk, `${folder}/meta.properties`) !== undefined;
  if (isOfOne || found.length > 0 && found.length !== nodes) {
    throw new KafkaError(
      "INVALID_CONFIG",
      `Cannot run ${nodes} nodes in "${folder}": it holds the data of ${
        isOfOne ? 1 : found.length
      }; start as many, or name another folder`,
    );
  }
  return found[0] ?? uuidFromRandom(random);
}

function readText(
  disk: LocalClusterOptions["env"]["disk"],
  path: string,
): string | undefined {
  try {
    return new TextDecoder().decode(disk.readFile(path));
  } catch (error) {
    if (error instanceof DiskError && error.code === "NotFound") {
      return undefined;
    }
    throw error;
  }
}

/** Voters must know each other's ports before anybody listens. */
function freePorts(
  { transport }: LocalClusterOptions,
  count: number,
): number[] {
  const listeners = Array.from(
    { length: count },
    () => transport.listen({ host: HOST, port: 0 }),
  );
  return listeners.map((listener) => {
    listener.close();
    return listener.address.port;
  });
}
