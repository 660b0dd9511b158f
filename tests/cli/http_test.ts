/**
 * `--http` of the command: where health is told, where it isn't, and what is
 * said when it can't be.
 *
 * @module
 */
import { assert, assertEquals, assertMatch } from "@std/assert";
import { denoTransport } from "../../net/tcp/deno_tcp.ts";
import { kf, startBrokerProcess, temporaryFolder, until } from "../fixtures.ts";

async function get(url: string): Promise<[number, string]> {
  const answer = await fetch(url);
  return [answer.status, await answer.text()];
}

Deno.test("kf broker tells its health on a free loopback port, and names it", async () => {
  using folder = temporaryFolder();
  await using broker = await startBrokerProcess({ data: folder.path });
  const [, address] = await until(
    "it says where",
    () => /metrics on http:\/\/(127\.0\.0\.1:\d+)\n/.exec(broker.stderr()),
  );
  assert(address !== broker.address);
  assertEquals(await get(`http://${address}/healthz`), [200, "ok\n"]);
  assertEquals(await get(`http://${address}/readyz`), [200, "ok\n"]);
  assertEquals(await broker.end(), 0);
});

Deno.test("kf broker --http off serves no HTTP, and -X beats the flag", async () => {
  using folder = temporaryFolder();
  for (
    const args of [
      ["--http", "off"],
      ["--http", "127.0.0.1:0", "-X", "kf.http.listener=off"],
    ]
  ) {
    const data = `${folder.path}/data`;
    await using broker = await startBrokerProcess({ data, args });
    assertEquals(await broker.end(), 0);
    assert(!broker.stderr().includes("health"), broker.stderr());
  }
});

Deno.test("a taken HTTP port is one line and exit code 1, a wrong address 2", async () => {
  using folder = temporaryFolder();
  const holder = denoTransport().listen({ host: "127.0.0.1", port: 0 });
  const address = `127.0.0.1:${holder.address.port}`;
  const start = (http: string) =>
    kf([
      "broker",
      ...["--data", folder.path, "--listen", "127.0.0.1:0", "--http", http],
    ]);
  const taken = await start(address);
  holder.close();
  assertEquals(taken.code, 1);
  assertEquals(
    taken.stderr,
    `kf: Cannot listen on ${address}: the port is taken by another process\n`,
  );
  const wrong = await start("9644");
  assertEquals(wrong.code, 2);
  assertMatch(
    wrong.stderr,
    /^kf: Invalid value "9644" .*HOST:PORT, or off.*\n$/,
  );
});
