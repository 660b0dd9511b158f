/**
 * A broker's health over HTTP, from outside: while it recovers and while it
 * serves; and what happens to its port.
 *
 * @module
 */
import { assertEquals, assertMatch, assertRejects } from "@std/assert";
import { denoEnv } from "../../core/env/deno_env.ts";
import type { Env } from "../../core/env/env.ts";
import { temporaryFolder, until } from "../../tests/fixtures.ts";
import { freePort } from "../../tests/ports.ts";
import { create, running, start } from "../../tests/raw_broker.ts";
import { RawClient } from "../../tests/raw_client.ts";
import { denoTransport } from "../tcp/deno_tcp.ts";

const HTTP = { "kf.http.listener": "127.0.0.1:0" };

async function get(port: number, path: string): Promise<[number, string]> {
  const answer = await fetch(`http://127.0.0.1:${port}${path}`);
  return [answer.status, await answer.text()];
}

/**
 * Seams on which opening each partition takes a tenth of a second and, while
 * `isHeld()`, the event loop's turns between partitions never end.
 */
function slowlyOpening(isHeld: () => boolean): Env {
  const real = denoEnv({ traceLevel: "error" });
  let extraMs = 0;
  const disk = {
    ...real.disk,
    list(path: string) {
      if (/\/t-\d+$/.test(path)) extraMs += 100;
      return real.disk.list(path);
    },
  };
  const clock = {
    ...real.clock,
    monoMs: () => real.clock.monoMs() + extraMs,
    async sleep(ms: number) {
      await real.clock.sleep(ms);
      await until("recovery may go on", () => !isHeld());
    },
  };
  return { ...real, clock, disk };
}

Deno.test("a broker that serves is healthy and ready; one that stops is not", async () => {
  await using kf = await running(HTTP);
  const { port } = kf.broker.httpAddress!;
  assertEquals(await get(port, "/healthz"), [200, "ok\n"]);
  assertEquals(await get(port, "/readyz"), [200, "ok\n"]);
  const stopped = kf.broker.stop();
  assertEquals(kf.broker.notReady(), "the broker stops");
  await stopped;
  await assertRejects(() => get(port, "/healthz"), TypeError);
});

Deno.test("a broker that recovers its logs is healthy, and not ready until it has", async () => {
  using folder = temporaryFolder();
  const before = await start(folder.path);
  {
    using client = await RawClient.connect(before.address.port);
    await create(client, "t", 4);
  }
  await before.stop();
  const port = freePort();
  let isHeld = true;
  const starting = start(folder.path, {
    env: slowlyOpening(() => isHeld),
    config: { "kf.http.listener": `127.0.0.1:${port}` },
  });
  const ready = await until(
    "it recovers",
    async () => {
      const answer = await get(port, "/readyz");
      return answer[1].includes("opened") ? answer : undefined;
    },
  );
  assertEquals(ready[0], 503);
  assertMatch(ready[1], /^Not ready: \d of \d partitions are opened\n$/);
  assertEquals(await get(port, "/healthz"), [200, "ok\n"]);
  const [status, metrics] = await get(port, "/metrics");
  assertEquals(status, 200);
  assertMatch(metrics, /^kafka_server_kafkaserver_brokerstate 1$/m);
  isHeld = false;
  const broker = await starting;
  assertEquals(await get(port, "/readyz"), [200, "ok\n"]);
  await broker.stop();
});

Deno.test("HTTP is off unless a listener is named", async () => {
  await using kf = await running();
  assertEquals(kf.broker.httpAddress, undefined);
});

Deno.test("a start on a taken HTTP port fails, says so and leaves nothing behind", async () => {
  using folder = temporaryFolder();
  const holder = denoTransport().listen({ host: "127.0.0.1", port: 0 });
  const listener = `127.0.0.1:${holder.address.port}`;
  const config = { "kf.http.listener": listener };
  await assertRejects(
    () => start(folder.path, { config }),
    Error,
    `Cannot listen on ${listener}: the port is taken by another process`,
  );
  holder.close();
  const broker = await start(folder.path, { config });
  assertEquals(broker.httpAddress, holder.address);
  await broker.stop();
});

Deno.test("a start that fails later gives the HTTP port back", async () => {
  await using kf = await running();
  const port = freePort();
  const config = { "kf.http.listener": `127.0.0.1:${port}` };
  await assertRejects(
    () => start(kf.folder, { config }),
    Error,
    "Cannot use data folder",
  );
  await until("the port is free", () => {
    try {
      denoTransport().listen({ host: "127.0.0.1", port }).close();
      return true;
    } catch {
      return false;
    }
  });
});

Deno.test("what is no address is refused", async () => {
  using folder = temporaryFolder();
  for (const text of ["9644", "localhost", "x:99999", "::1:80", ""]) {
    await assertRejects(
      () => start(folder.path, { config: { "kf.http.listener": text } }),
      Error,
      `Invalid value "${text}" for broker config "kf.http.listener"`,
    );
  }
});
