/**
 * `kf cluster info`.
 *
 * @module
 */
import { withAdmin } from "../cluster.ts";
import type { Call } from "../command.ts";
import { printAnswer } from "../output.ts";

/** Runs `kf cluster info`. */
export async function run({ settings }: Call): Promise<void> {
  const cluster = await withAdmin(settings, (admin) => admin.describeCluster());
  const { clusterId, controllerId } = cluster;
  const nodes = cluster.nodes.map(({ nodeId, host, port, rack }) => ({
    nodeId,
    host,
    port,
    rack,
  }));
  await printAnswer({
    json: { clusterId, controllerId, nodes },
    columns: ["cluster", "node", "address", "rack", "controller"],
    rows: nodes.map(({ nodeId, host, port, rack }) => [
      clusterId,
      nodeId,
      host.includes(":") ? `[${host}]:${port}` : `${host}:${port}`,
      rack,
      nodeId === controllerId ? "yes" : "",
    ]),
  }, settings);
}
