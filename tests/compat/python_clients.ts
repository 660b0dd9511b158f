/**
 * The clients for Python, in a virtual environment that is made once. Owns the
 * environment; says why it can't be had.
 *
 * @module
 */
import { run } from "../fixtures.ts";
import { makeOnce } from "./made_once.ts";
import type { Client } from "./capabilities.ts";
import { PROBE_ENV, programClient } from "./program.ts";
import { programWriter, type Writer } from "./writers.ts";

const FOLDER = "/tmp/kf-test-python-clients";
const PYTHON = `${FOLDER}/bin/python`;
const HOME = new URL("./python/", import.meta.url).pathname;
const REQUIREMENTS = `${HOME}requirements.txt`;

/** A client that can also write for as long as it is let. */
interface PythonClient extends Client {
  write(where: { readonly bootstrap: string; readonly topic: string }): Writer;
}

/** Makes the environment if need be; gives the reason why there is none. */
async function install(): Promise<{ missing?: string }> {
  const found = await run([
    "sh",
    "-c",
    "python3 -c 'import venv, ensurepip'",
  ]);
  if (found.code !== 0) return { missing: "Python 3 or pip is not installed" };
  const wanted = Deno.readTextFileSync(REQUIREMENTS);
  await makeOnce(FOLDER, wanted, makeEnvironment);
  return {};
}

async function makeEnvironment(): Promise<void> {
  for (
    const command of [
      ["python3", "-m", "venv", "--clear", FOLDER],
      [PYTHON, "-m", "pip", "install", "-q", "-r", REQUIREMENTS],
    ]
  ) {
    const { code, stderr } = await run(command, { timeoutMs: 600_000 });
    if (code !== 0) throw new Error(`${command.join(" ")}: ${stderr}`);
  }
}

/** A client by its package's name; the version is the one that is required. */
function pythonClient(
  name: string,
  told: Pick<Client, "missing" | "lacks">,
): PythonClient {
  const requirements = Deno.readTextFileSync(REQUIREMENTS);
  const [, version] = requirements.match(`${name}==(.*)`)!;
  const probe = `${HOME}${name.replaceAll("-", "_")}_probe.py`;
  const command = [PYTHON, "-B", probe];
  return {
    ...programClient({ name, version: version!, command, ...told }),
    write: ({ bootstrap, topic }) =>
      programWriter(name, {
        command: [...command, "write", bootstrap, topic],
        env: PROBE_ENV,
      }),
  };
}

/** All of them. */
export async function pythonClients(): Promise<PythonClient[]> {
  const missing = await install();
  const lacks = { uniform: "has classic groups only" };
  return [
    pythonClient("confluent-kafka", missing),
    pythonClient("kafka-python", { ...missing, lacks }),
  ];
}
