/**
 * `kf dev -n 3`: a cluster in one process, which clients use as any other, and
 * which is the same cluster when it is started again.
 *
 * @module
 */
import { assert, assertEquals, assertMatch } from "@std/assert";
import { kf, kfCommand, temporaryFolder } from "../fixtures.ts";

const DECODER = new TextDecoder();

/** `kf dev` in a folder, once it is ready. */
async function dev(...args: string[]) {
  const [program, ...rest] = kfCommand("dev", "--port", "auto", ...args);
  const child = new Deno.Command(program!, {
    args: rest,
    stdin: "null",
    stdout: "null",
    stderr: "piped",
  }).spawn();
  let said = "";
  const { promise: ready, resolve, reject } = Promise.withResolvers<string>();
  const reading = (async () => {
    for await (const chunk of child.stderr) {
      said += DECODER.decode(chunk, { stream: true });
      const match = /(\d) brokers ready on (\S+)\n/.exec(said);
      if (match) resolve(match[2]!);
    }
    reject(new Error(`kf dev ended: ${said}`));
  })();
  const addresses = await ready;
  let hasEnded = false;
  return {
    addresses: addresses.split(","),
    async end() {
      hasEnded = true;
      child.kill("SIGTERM");
      const { code } = await child.status;
      await reading;
      return { code, said };
    },
    async [Symbol.asyncDispose]() {
      if (!hasEnded) child.kill("SIGKILL");
      await child.status;
      await reading.catch(() => {});
    },
  };
}

Deno.test("kf dev -n 3 is a cluster of three, and the same one when it comes back", async () => {
  using folder = temporaryFolder();
  const data = `${folder.path}/d`;
  const clusterIds: string[] = [];
  for (let start = 0; start < 2; start++) {
    await using cluster = await dev("-n", "3", "--data", data);
    const [first, , last] = cluster.addresses as [string, string, string];
    assertEquals(cluster.addresses.length, 3);
    const produced = await kf(["produce", "nums", "-b", last], {
      stdin: "1\n2\n3\n",
    });
    assertEquals(produced.code, 0, produced.stderr);
    const described = await kf(
      ["topic", "describe", "nums", "-b", first, "--format", "json"],
    );
    assertEquals(described.code, 0, described.stderr);
    const [topic] = JSON.parse(described.stdout);
    assertEquals(topic.partitions[0].replicas.length, 3);
    const consumed = await kf(["consume", "nums", "-e", "-b", first]);
    assertEquals(consumed.stdout, "1\n2\n3\n".repeat(start + 1));
    const info = await kf(["cluster", "info", "-b", last, "--format", "json"]);
    const { clusterId, nodes } = JSON.parse(info.stdout);
    assertEquals(nodes.length, 3);
    clusterIds.push(clusterId);
    const { code, said } = await cluster.end();
    assertEquals(code, 0, said);
    for (const id of [1, 2, 3]) {
      assert(Deno.statSync(`${data}/${id}/.kafka_cleanshutdown`).isFile);
    }
  }
  assertEquals(new Set(clusterIds).size, 1);
  const fewer = await kf(["dev", "-n", "2", "--data", data, "--port", "auto"]);
  assertEquals(fewer.code, 2);
  assertMatch(fewer.stderr, /Cannot run 2 nodes in .*: it holds the data of 3/);
});

Deno.test("kf dev says how many brokers it starts, and how few", async () => {
  for (const count of ["0", "10", "x"]) {
    const { code, stderr } = await kf(["dev", "-n", count]);
    assertEquals(code, 2);
    assertMatch(stderr, /a whole number from 1 to 9 is needed/);
  }
});

Deno.test("kf broker without its quorum ends at once when it is told to", async () => {
  using folder = temporaryFolder();
  const [program, ...args] = kfCommand(
    ...["broker", "--data", `${folder.path}/d`, "--node-id", "1"],
    ...["--cluster-id", "AAAAAAAAAAAAAAAAAAAACQ", "--http", "off"],
    ...["-X", "listeners=PLAINTEXT://127.0.0.1:0,CONTROLLER://127.0.0.1:0"],
    ...["-X", "controller.listener.names=CONTROLLER"],
    ...["-X", "controller.quorum.voters=1@127.0.0.1:9,2@127.0.0.1:9"],
  );
  const child = new Deno.Command(program!, {
    args,
    stdin: "null",
    stdout: "null",
    stderr: "piped",
  }).spawn();
  let said = "";
  for await (const chunk of child.stderr) {
    said += DECODER.decode(chunk, { stream: true });
    if (said.includes("controller can't be reached")) {
      child.kill("SIGTERM");
      break;
    }
  }
  assertEquals((await child.status).code, 0, said);
});
