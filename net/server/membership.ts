/**
 * What a node is in the quorum of the metadata log, from its config: who votes,
 * how long is waited, how others are reached. Owns no state.
 *
 * @module
 */
import { ZERO_UUID } from "../../core/bytes/uuid.ts";
import type { BrokerConfig } from "../../core/config/resolve.ts";
import type { Env } from "../../core/env/env.ts";
import type { LogFolder } from "../../core/log/log_folder.ts";
import { Link } from "../link/link.ts";
import type { QuorumMembership } from "../raft/quorum.ts";
import type { Transport } from "../tcp/transport.ts";
import { rolesOf } from "./roles.ts";

/**
 * The part of this node; without anybody configured it votes alone, and without
 * being a voter it observes.
 */
export function membershipOf({ config, env, folder, transport }: {
  readonly config: BrokerConfig;
  readonly env: Env;
  readonly folder: Pick<LogFolder, "clusterId" | "directoryId">;
  readonly transport: Transport;
}): QuorumMembership {
  const { clusterId, directoryId } = folder;
  const nodeId = config["node.id"];
  const requestMs = config["controller.quorum.request.timeout.ms"];
  const { voters: configured, servers } = rolesOf(config);
  const isUntold = configured.length === 0 && servers.length === 0;
  // Voters have directories from kraft.version 1 on (KIP-853).
  const voters = (isUntold ? [{ id: nodeId, host: "", port: 0 }] : configured)
    .map((voter) => ({ ...voter, directoryId: ZERO_UUID }));
  return {
    clusterId,
    directoryId,
    listenerName: config["controller.listener.names"][0] ?? "",
    voters,
    bootstrapServers: servers,
    timeouts: {
      electionMs: config["controller.quorum.election.timeout.ms"],
      fetchMs: config["controller.quorum.fetch.timeout.ms"],
      backoffMaxMs: config["controller.quorum.election.backoff.max.ms"],
      requestMs,
    },
    connect: (address) =>
      Link.open({
        env,
        transport,
        address,
        clientId: `raft-client-${nodeId}`,
        isAdvertised: false,
        connectTimeoutMs: requestMs,
        requestTimeoutMs: requestMs,
      }),
  };
}
