/**
 * `kf topic plan` as the shell sees it: no cluster needed.
 *
 * @module
 */
import { assertEquals, assertStringIncludes } from "@std/assert";
import { kf } from "../fixtures.ts";

Deno.test("topic plan counts partitions by the slower side, with their cost", async () => {
  const line =
    "topic plan --target 5m --per-producer 50m --per-consumer 1m -r 3 --retention 1h --format json";
  const { code, stdout } = await kf(line.split(" "));
  assertEquals(code, 0);
  const mebibyte = 1024 * 1024;
  assertEquals(JSON.parse(stdout), {
    partitions: 5,
    forProducers: 1,
    forConsumers: 5,
    consumersMax: 5,
    replicas: 15,
    producerBufferBytes: 5 * 16_384,
    replicatedBytesPerSecond: 10 * mebibyte,
    diskBytes: 5 * mebibyte * 3 * 3600,
  });
});

Deno.test("topic plan refuses what it can't plan and exits 2", async () => {
  const rest = ["--per-producer", "1k", "--per-consumer", "1k"];
  const missing = await kf(["topic", "plan", "--target", "5m"]);
  assertEquals(missing.code, 2);
  assertStringIncludes(missing.stderr, "--per-producer");
  const none = await kf(["topic", "plan", "--target", "0", ...rest]);
  assertEquals(none.code, 2);
  const endless = await kf(["topic", "plan", "--target", "1g", ...rest]);
  assertEquals(endless.code, 2);
  assertEquals(endless.stdout, "");
  assertStringIncludes(endless.stderr, "at most 100000");
});
