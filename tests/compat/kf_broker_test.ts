/**
 * kf's clients against kf's broker, in one process over real sockets.
 *
 * @module
 */
import { startBroker } from "../../net/broker.ts";
import { temporaryFolder } from "../fixtures.ts";
import { clientSuite } from "./client_suite.ts";

Deno.test("clients work against kf's broker", async (t) => {
  using folder = temporaryFolder();
  const broker = await startBroker({
    config: new Map([
      ["listeners", "PLAINTEXT://127.0.0.1:0"],
      ["log.dirs", `${folder.path}/data`],
      ["group.initial.rebalance.delay.ms", "100"],
      ["offsets.topic.num.partitions", "3"],
    ]),
    traceLevel: "error",
  });
  try {
    await clientSuite(t, broker.address);
  } finally {
    await broker.stop();
  }
});
