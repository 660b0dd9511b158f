/**
 * `kf diff` and `kf apply` as the shell sees them.
 *
 * @module
 */
import { assertEquals, assertStringIncludes } from "@std/assert";
import { kf, startBrokerProcess, temporaryFolder } from "../fixtures.ts";

Deno.test("apply makes the cluster what the file says, once, and diff shows it", async () => {
  using folder = temporaryFolder();
  await using broker = await startBrokerProcess({
    data: `${folder.path}/data`,
  });
  const call = (line: string, stdin?: string) =>
    kf(
      [...line.split(" "), "-b", broker.address, "--format", "json"],
      stdin === undefined ? {} : { stdin },
    );
  const first = `topics:
  events: { partitions: 2, configs: { retention.ms: 3600000 } }
  users:
    configs: { cleanup.policy: compact }
`;
  const asked = await call("apply -f -", first);
  assertEquals(asked.code, 2, "nobody can be asked");
  const looked = await call("apply -f - --dry-run", first);
  assertEquals([looked.code, JSON.parse(looked.stdout).length], [0, 4]);
  const different = await call("diff -f -", first);
  assertEquals([different.code, different.stderr], [1, ""]);
  assertEquals((await call("apply -y -f -", first)).code, 0);
  assertEquals(
    [
      (await call("diff -f -", first)).code,
      (await call("apply -f -", first)).stdout,
    ],
    [0, "[]\n"],
  );
  const second = "topics: { events: { partitions: 3, configs: {} } }";
  const grown = await call("apply -y -f -", second);
  assertEquals(grown.code, 0, grown.stderr);
  assertEquals(JSON.parse(grown.stdout), [
    {
      topic: "events",
      change: "partitions",
      name: "partitions",
      from: "2",
      to: "3",
    },
    {
      topic: "events",
      change: "unset",
      name: "retention.ms",
      from: "3600000",
      to: null,
    },
  ]);
  assertEquals((await call("diff -f -", second)).code, 0);
  const shrunk = await call(
    "apply -y -f -",
    "topics: { events: { partitions: 1 }, more: {} }",
  );
  assertEquals([shrunk.code, shrunk.stdout], [1, ""]);
  assertStringIncludes(shrunk.stderr, "partitions are never taken away");
  const { stdout } = await call("topic list");
  assertEquals(
    JSON.parse(stdout).map((
      { name, partitions }: Record<string, unknown>,
    ) => [name, partitions]),
    [["events", 3], ["users", 1]],
  );
  const bad = await call("apply -y -f -", "topics: { a b: {} }");
  assertEquals(bad.code, 1);
  assertStringIncludes(bad.stderr, "INVALID_TOPIC_EXCEPTION");
  assertEquals((await call("diff -f missing.yaml")).code, 2);
  assertEquals((await call("diff")).code, 2);
});
