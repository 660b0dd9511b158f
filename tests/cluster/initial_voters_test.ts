/**
 * Three new nodes are voters that may change from their first start on, as
 * docs/OPERATIONS.md tells it, and a list that doesn't fit is refused.
 *
 * @module
 */
import { assertEquals, assertMatch, assertRejects } from "@std/assert";
import { startBroker } from "../../net/broker.ts";
import { kf, temporaryFolder, until } from "../fixtures.ts";
import { ProcessNode, QUICK } from "./cluster.ts";
import { freePorts } from "../ports.ts";

const CLUSTER_ID = "4L6g3nShT-eMCtK--X86sw";
const DIRECTORIES = [
  "MLPRt3J0RyKvMRPIkCVP9A",
  "ZDXbrQWMTWSlUH7Dmzdv7g",
  "gyKwcTZdQbKrN2RIiRIwcQ",
] as const;

/** A node whose first start is told who votes. */
class FirstNode extends ProcessNode {
  list: string | undefined;

  override flags(): readonly string[] {
    const { list } = this;
    this.list = undefined;
    return list === undefined ? [] : ["--initial-controllers", list];
  }
}

/** Three new nodes, not started. */
function machines(folder: string) {
  const ports = freePorts(6);
  const controllers = ports.slice(3).map((port) => `127.0.0.1:${port}`);
  const list = controllers
    .map((address, i) => `${i + 1}@${address}:${DIRECTORIES[i]}`).join();
  const nodes = controllers.map((controller, i) => {
    const node = new FirstNode(i + 1, ports[i]!, {
      "node.id": String(i + 1),
      "kf.cluster.id": CLUSTER_ID,
      "log.dirs": `${folder}/${i + 1}`,
      "listeners": `PLAINTEXT://127.0.0.1:${
        ports[i]
      },CONTROLLER://${controller}`,
      "controller.listener.names": "CONTROLLER",
      "controller.quorum.bootstrap.servers": controllers.join(),
      ...QUICK,
    });
    node.list = list;
    return node;
  });
  return {
    nodes,
    at: ["-b", nodes.map(({ address }) => address).join()],
    async [Symbol.asyncDispose]() {
      await Promise.allSettled(nodes.map((node) => node.end()));
    },
  };
}

/** The voters and their directories, as `kf cluster quorum` shows them. */
async function voters(at: readonly string[]): Promise<string[]> {
  const { stdout } = await kf(
    ["cluster", "quorum", "--format", "json", ...at],
  );
  const { replicas } = JSON.parse(stdout || '{"replicas":[]}') as {
    replicas: { nodeId: number; directoryId: string; role: string }[];
  };
  return replicas.filter(({ role }) => role !== "observer")
    .map(({ nodeId, directoryId }) => `${nodeId} ${directoryId}`);
}

Deno.test("three new nodes vote from their first start on, and one of them may go", async () => {
  using folder = temporaryFolder();
  await using three = machines(folder.path);
  const { nodes, at } = three;
  await Promise.all(nodes.map((node) => node.start()));
  const all = DIRECTORIES.map((directory, i) => `${i + 1} ${directory}`);
  assertEquals(await voters(at), all);
  const features = await kf(["cluster", "features", ...at]);
  assertMatch(features.stdout, /kraft\.version\s+1\s+0-1/);
  await nodes[0]!.kill();
  await until("the others decide without it", async () => {
    const { code } = await kf(["topic", "create", "t", ...at]);
    return code === 0;
  });
  // Without the list, by its folder.
  await nodes[0]!.start();
  assertEquals(await voters(at), all);
  await until("the first is removed", async () => {
    const { code } = await kf(["cluster", "quorum", "--remove", "1", ...at]);
    return code === 0;
  });
  await until("two vote", async () => (await voters(at)).length === 2);
});

Deno.test("first voters that don't fit are refused, and a folder that has begun isn't changed", async () => {
  using folder = temporaryFolder();
  const [port, control] = freePorts(2);
  const data = `${folder.path}/1`;
  const address = `127.0.0.1:${control}`;
  const own = `1@${address}:${DIRECTORIES[0]}`;
  const start = (list: string, config: Record<string, string> = {}) =>
    startBroker({
      traceLevel: "error",
      config: new Map(Object.entries({
        "node.id": "1",
        "kf.cluster.id": CLUSTER_ID,
        "log.dirs": data,
        "listeners": `PLAINTEXT://127.0.0.1:${port},CONTROLLER://${address}`,
        "controller.listener.names": "CONTROLLER",
        "controller.quorum.bootstrap.servers": address,
        "kf.initial.controllers": list,
        ...config,
      })),
    });
  const refused = async (why: string, ...args: Parameters<typeof start>) =>
    void await assertRejects(() => start(...args), Error, why);
  await refused("ID@HOST:PORT:DIRECTORY", `1@${address}`);
  await refused("ID@HOST:PORT:DIRECTORY", `${own}x`);
  await refused("named twice", `${own},2@h:1:${DIRECTORIES[0]}`);
  await refused("named twice", `${own},1@h:1:${DIRECTORIES[1]}`);
  await refused(
    "node 1 is not a controller that it names",
    `2@h:1:${DIRECTORIES[0]}`,
  );
  await refused("controller.quorum.voters", own, {
    "controller.quorum.voters": `1@${address}`,
  });
  await refused("controller.quorum.bootstrap.servers", own, {
    "controller.quorum.bootstrap.servers": "",
  });
  const first = await start(own);
  await first.stop();
  const meta = Deno.readTextFileSync(`${data}/meta.properties`);
  assertMatch(meta, new RegExp(`^directory\\.id=${DIRECTORIES[0]}$`, "m"));
  // Whoever has begun as another one goes on as that.
  const again = await start(
    `1@${address}:${DIRECTORIES[1]},2@h:1:${DIRECTORIES[2]}`,
  );
  assertEquals(await voters(["-b", again.address]), [`1 ${DIRECTORIES[0]}`]);
  await again.stop();
  assertEquals(Deno.readTextFileSync(`${data}/meta.properties`), meta);
  // Of a crash before the log began there is only who the folder is.
  Deno.removeSync(`${data}/__cluster_metadata-0`, { recursive: true });
  await refused(
    `the data folder is of directory ${DIRECTORIES[0]} already`,
    `1@${address}:${DIRECTORIES[1]}`,
  );
  await (await start(own)).stop();
});
