/**
 * What a node is in the quorum of the metadata log, from its config: who votes,
 * how long is waited, how others are reached. Owns no state.
 *
 * @module
 */
import type { BrokerConfig } from "../../core/config/resolve.ts";
import type { Env } from "../../core/env/env.ts";
import type { LogFolder } from "../../core/log/log_folder.ts";
import type { VoterEndpoint } from "../../core/raft/voter_set.ts";
import { Link } from "../link/link.ts";
import type { QuorumMembership } from "../raft/quorum.ts";
import type { Transport } from "../tcp/transport.ts";
import { loneAddress, voterEndpoints } from "./listener.ts";
import { rolesOf } from "./roles.ts";

/** Of a voter that nobody else asks. */
const NOWHERE = { host: "", port: 0 };

/** Where the others reach this node should it vote, by listener. */
function endpointsOf(config: BrokerConfig): VoterEndpoint[] {
  const { isController, voters, servers } = rolesOf(config);
  const isUntold = voters.length === 0 && servers.length === 0;
  if (!isController || isUntold) return [];
  const own = voters.find(({ id }) => id === config["node.id"]);
  return voterEndpoints(config, own);
}

/**
 * Whether this node votes where nobody is known to: it is told of no other
 * server than itself.
 */
export function isFirstVoter(config: BrokerConfig): boolean {
  const { voters, servers } = rolesOf(config);
  const own = endpointsOf(config);
  return voters.length === 0 && servers.length > 0 &&
    servers.every(({ host, port }) =>
      own.some((endpoint) => endpoint.host === host && endpoint.port === port)
    );
}

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
  const { isController, voters: configured, servers } = rolesOf(config);
  const isUntold = configured.length === 0 && servers.length === 0;
  return {
    clusterId,
    directoryId,
    listenerName: (config["controller.listener.names"][0] ?? "").toUpperCase(),
    endpoints: endpointsOf(config),
    voters: isUntold
      ? [{ id: nodeId, ...loneAddress(config) ?? NOWHERE }]
      : configured,
    isFirst: isFirstVoter(config),
    isJoining: isController && config["controller.quorum.auto.join.enable"],
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
