/**
 * `kf dev`: a broker to try things on, which leaves nothing behind.
 *
 * @module
 */
import { HTTP_DEFAULT, HTTP_KEY, runBroker } from "../broker_run.ts";
import type { Call } from "../command.ts";
import { makeTemporaryFolder, removePath } from "../terminal.ts";
import { parseCount } from "../units.ts";

/** Runs `kf dev`. */
export async function run(call: Call): Promise<void> {
  const { flags, settings } = call;
  const port = flags.parsed(
    "port",
    (text) =>
      text === "auto" ? 0 : parseCount(text, { name: "a port", max: 65535 }),
  ) ??
    9092;
  const kept = flags.text("data");
  const folder = kept ?? makeTemporaryFolder("kf-dev-");
  const config = new Map<string, string>([
    ["listeners", `PLAINTEXT://localhost:${port}`],
    ["log.dirs", folder],
    [HTTP_KEY, flags.text("http") ?? HTTP_DEFAULT],
    ...Object.entries(settings.givenProperties),
  ]);
  const hint = (address: string) => {
    const to = address === "localhost:9092" ? "" : ` -b ${address}`;
    return `try:  seq 1 5 | kf produce nums${to}
      kf consume nums -e${to}
      kf topic describe nums${to}
${kept === undefined ? "the data is removed at the end; " : ""}Ctrl-C ends\n`;
  };
  try {
    await runBroker(config, { settings, flags, hint });
  } finally {
    if (kept === undefined) removePath(folder);
  }
}
