/**
 * `kf broker`: a broker in the foreground. It says its address when it is ready,
 * and stops gracefully on the first signal.
 *
 * @module
 */
import { HTTP_DEFAULT, HTTP_KEY, runBroker } from "../broker_run.ts";
import { parseNode } from "../address.ts";
import type { Call } from "../command.ts";
import { UsageError } from "../failure.ts";
import { isTerminal, readText } from "../terminal.ts";
import { parseCount, parsePath } from "../units.ts";

const DATA = "./kf-data";
/** What counts where nobody says otherwise, now or at an earlier join. */
const DEFAULTS = new Map([
  ["listeners", "PLAINTEXT://localhost:9092"],
  [HTTP_KEY, HTTP_DEFAULT],
]);

/** Runs `kf broker`. */
export async function run(call: Call): Promise<void> {
  const { flags } = call;
  const { parseProperties } = await import("../../net/broker.ts");
  const config = new Map<string, string>();
  const path = flags.text("config");
  if (path !== undefined) {
    const text = readText(path);
    if (text === undefined) {
      throw new UsageError(`Cannot open "${path}": there is no such file`);
    }
    for (const [name, value] of parseProperties(text)) config.set(name, value);
  }
  set(config, "log.dirs", flags.parsed("data", parsePath));
  set(config, "listeners", flags.parsed("listen", listener));
  set(config, "advertised.listeners", flags.parsed("advertise", listener));
  set(
    config,
    "node.id",
    flags.parsed(
      "node-id",
      (text) =>
        String(parseCount(text, { name: "a node id", max: 0x7fffffff })),
    ),
  );
  set(config, "kf.cluster.id", flags.text("cluster-id"));
  set(config, "kf.initial.controllers", flags.text("initial-controllers"));
  set(config, HTTP_KEY, flags.text("http"));
  for (const [name, value] of Object.entries(call.settings.givenProperties)) {
    config.set(name, value);
  }
  if (!config.has("log.dirs") && !config.has("log.dir")) {
    config.set("log.dirs", DATA);
  }
  const join = flags.parsed("join", parseNode);
  const kept = config.get("log.dirs") ?? config.get("log.dir");
  const roles = config.get("process.roles")?.split(",") ?? ["broker"];
  const isBroker = roles.some((role) => role.trim() === "broker");
  await runBroker(config, {
    settings: call.settings,
    start: (entry, options) =>
      entry.startBroker({ ...options, defaults: DEFAULTS, join }),
    what: isBroker ? "broker" : "controller",
    flags,
    ...(isTerminal.stderr()
      ? { hint: () => `the data is kept in ${kept}; Ctrl-C ends\n` }
      : {}),
  });
}

function set(
  config: Map<string, string>,
  name: string,
  value: string | undefined,
): void {
  if (value !== undefined) config.set(name, value);
}

/** `HOST:PORT` in Kafka's words. */
function listener(text: string): string {
  if (text.includes("://")) return text;
  if (/^(\[[^\]]+\]|[^:]*):\d{1,5}$/.test(text)) return `PLAINTEXT://${text}`;
  throw new UsageError(`Cannot read "${text}" as an address: write HOST:PORT`);
}
