/**
 * kf's transactions, its clients' and commands', against kf's own broker, in
 * both versions that a cluster finalizes (KIP-890).
 *
 * @module
 */
import { assertEquals } from "@std/assert";
import { kf, startBrokerProcess, temporaryFolder } from "../fixtures.ts";
import { pipeSuite } from "./pipe_suite.ts";
import { transactionsSuite } from "./transactions_suite.ts";
import { txnCommandsSuite } from "./txn_commands_suite.ts";

const AT_ONCE = ["-X", "group.initial.rebalance.delay.ms=0"];

for (const version of [2, 1]) {
  Deno.test(`transactions of version ${version} work against kf's broker`, async (t) => {
    using folder = temporaryFolder();
    await using broker = await startBrokerProcess({
      data: folder.path,
      args: AT_ONCE,
    });
    const { address } = broker;
    if (version < 2) {
      const { code, stderr } = await kf([
        ...["cluster", "features", "-b", address],
        ...["--downgrade", `transaction.version=${version}`],
      ]);
      assertEquals(code, 0, stderr);
    }
    await transactionsSuite(t, address);
    await pipeSuite(t, address);
  });
}

Deno.test("kf txn and kf dlq work against kf's broker", async (t) => {
  using folder = temporaryFolder();
  await using broker = await startBrokerProcess({
    data: folder.path,
    args: [...AT_ONCE, "-X", "transaction.partition.verification.enable=false"],
  });
  await txnCommandsSuite(t, broker.address);
});
