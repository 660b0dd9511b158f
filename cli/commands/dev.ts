/**
 * `kf dev`: a broker, or a cluster of several in this process, to try things
 * on, which leaves nothing behind.
 *
 * @module
 */
import { HTTP_DEFAULT, HTTP_KEY, runBroker } from "../broker_run.ts";
import type { Call } from "../command.ts";
import { makeTemporaryFolder, removePath } from "../terminal.ts";
import { parseCount, parsePath } from "../units.ts";

/** More of them share one processor here to no use. */
const NODES_MAX = 9;

/** Runs `kf dev`. */
export async function run(call: Call): Promise<void> {
  const { flags, settings } = call;
  const port = flags.parsed(
    "port",
    (text) =>
      text === "auto" ? 0 : parseCount(text, { name: "a port", max: 65535 }),
  ) ??
    9092;
  const nodes = flags.parsed("nodes", parseNodes) ?? 1;
  const kept = flags.parsed("data", parsePath);
  const folder = kept ?? makeTemporaryFolder("kf-dev-");
  const config = new Map<string, string>([
    ["listeners", `PLAINTEXT://localhost:${port}`],
    ["log.dirs", folder],
    [HTTP_KEY, flags.text("http") ?? HTTP_DEFAULT],
    ...Object.entries(settings.givenProperties),
  ]);
  const hint = (addresses: string) => {
    const address = addresses.split(",")[0]!;
    const isDefault = settings.brokers === "localhost:9092" &&
      /^(localhost|127\.0\.0\.1):9092$/.test(address);
    const to = isDefault ? "" : ` -b ${address}`;
    return `try:  seq 1 5 | kf produce nums${to}
      kf consume nums -e${to}
      kf topic describe nums${to}
${kept === undefined ? "the data is removed at the end; " : ""}Ctrl-C ends\n`;
  };
  try {
    await runBroker(config, {
      settings,
      flags,
      hint,
      ...nodes === 1 ? {} : {
        what: `${nodes} brokers`,
        start: (entry, options) =>
          entry.startCluster({ ...options, nodes, folder, port }),
      },
    });
  } finally {
    if (kept === undefined) removePath(folder);
  }
}

function parseNodes(text: string): number {
  return parseCount(text, { name: "how many brokers", min: 1, max: NODES_MAX });
}
