/**
 * The quota of replication, against the rate that really goes through.
 *
 * @module
 */
import { assert, assertEquals } from "@std/assert";
import fc from "fast-check";
import { isThrottled, ReplicationQuota } from "./replication_quota.ts";

Deno.test("whoever copies only while the quota allows it keeps to the rate", () => {
  fc.assert(fc.property(
    fc.integer({ min: 1_000, max: 1_000_000 }),
    fc.integer({ min: 1, max: 2_000_000 }),
    fc.integer({ min: 10, max: 700 }),
    (bytesPerSecond, answerBytes, pauseMs) => {
      let nowMs = 0;
      const limits = { bytesPerSecond, windows: 11, windowMs: 1000 };
      const quota = new ReplicationQuota(() => limits, () => nowMs);
      let copied = 0;
      const endMs = 120_000;
      for (; nowMs < endMs; nowMs += pauseMs) {
        if (quota.isExceeded()) continue;
        quota.record(answerBytes);
        copied += answerBytes;
      }
      // A burst comes once for all windows, and one is always let through.
      const allowed = bytesPerSecond * (endMs / 1000) +
        answerBytes * (1 + endMs / 11_000);
      assert(copied <= allowed * 1.1, `${copied} of ${allowed}`);
      const possible = Math.min(
        bytesPerSecond * (endMs / 1000),
        answerBytes * endMs / pauseMs,
      );
      assert(copied >= possible * 0.5, `${copied} of ${possible}`);
    },
  ));
});

Deno.test("without a rate nothing is ever exceeded, and what is long ago is forgotten", () => {
  let bytesPerSecond = Infinity;
  let nowMs = 0;
  const quota = new ReplicationQuota(
    () => ({ bytesPerSecond, windows: 11, windowMs: 1000 }),
    () => nowMs,
  );
  const isExceededAt = (ms: number) => {
    nowMs = ms;
    return quota.isExceeded();
  };
  quota.record(1e9);
  assert(!isExceededAt(1));
  bytesPerSecond = 1000;
  assert(isExceededAt(1));
  assert(isExceededAt(10_999));
  assert(!isExceededAt(11_000));
});

Deno.test("a topic's config names replicas, or means all", () => {
  const at = { index: 1, nodeId: 2 };
  assertEquals(
    [["*"], ["1:2"], ["0:1", "1:2"], [], ["2:1"], ["1:1"]]
      .map((entries) => isThrottled(entries, at)),
    [true, true, true, false, false, false],
  );
});
