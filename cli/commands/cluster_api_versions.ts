/**
 * `kf cluster api-versions`.
 *
 * @module
 */
import { withAdmin } from "../cluster.ts";
import type { Call } from "../command.ts";
import { printAnswer } from "../output.ts";

/** Runs `kf cluster api-versions`. */
export async function run({ settings }: Call): Promise<void> {
  const brokers = await withAdmin(settings, (admin) => admin.apiVersions());
  await printAnswer({
    json: brokers.map(({ nodeId, apis, features }) => ({
      nodeId,
      apis: apis.map(({ apiKey, name, minVersion, maxVersion }) => ({
        apiKey,
        name: name ?? null,
        minVersion,
        maxVersion,
      })),
      features,
    })),
    columns: ["node", "key", "name", "min", "max"],
    rows: brokers.flatMap(({ nodeId, apis }) =>
      apis.map((
        api,
      ) => [
        nodeId,
        api.apiKey,
        api.name ?? null,
        api.minVersion,
        api.maxVersion,
      ])
    ),
  }, settings);
}
