/**
 * Transactions of a real broker whose disk is full, or whose writes fail now
 * and then: what was prepared gets its markers once they can be written, and
 * every transaction is there as a whole or not at all. Needs root for the
 * small disk and strace for the calls, and says so where it is skipped.
 *
 * @module
 */
import { assertEquals } from "@std/assert";
import {
  hasProgram,
  run,
  seeded,
  startBrokerProcess,
  temporaryFolder,
  until,
} from "../fixtures.ts";
import { onDisk } from "../small_disk.ts";
import { checkWhole, createTopic, Writer } from "./transaction_writers.ts";

const ARGS = ["-X", "transaction.state.log.num.partitions=3"];

function writersAt(address: string): Writer[] {
  const random = seeded(7);
  const mayAbort = () => random() < 0.3;
  return [0, 1, 2].map((id) => new Writer(id, { address, mayAbort }));
}

function endedBy(writers: readonly Writer[]): number {
  return writers.reduce((sum, { outcomes }) => sum + outcomes.length, 0);
}

Deno.test("transactions live through a full disk, each as a whole or not at all", () =>
  onDisk("6m", async (disk) => {
    const data = `${disk}/data`;
    await using broker = await startBrokerProcess({ data, args: ARGS });
    await createTopic(broker);
    const writers = writersAt(broker.address);
    try {
      await until("transactions end", () => endedBy(writers) > 30);
      const filler = `${disk}/filler`;
      // `dd` ends with an error when nothing is left.
      await run(["dd", "if=/dev/zero", `of=${filler}`, "bs=4k"]);
      await until(
        "the disk is full",
        () => broker.stderr().includes("No space left on device"),
      );
      const at = endedBy(writers);
      Deno.removeSync(filler);
      await until("they go on", () => endedBy(writers) > at + 30);
    } finally {
      await Promise.all(writers.map((writer) => writer.stop()));
    }
    await checkWhole(broker, writers);
    assertEquals(await broker.end("SIGTERM"), 0, broker.stderr());
  }));

Deno.test({
  name: "markers that a partition doesn't take at once are written later",
  ignore: !hasProgram("strace", "-V"),
  async fn() {
    using folder = temporaryFolder();
    const data = `${folder.path}/data`;
    {
      await using broker = await startBrokerProcess({ data, args: ARGS });
      await createTopic(broker);
      assertEquals(await broker.end("SIGTERM"), 0);
    }
    const log = `${data}/whole-1/${"0".repeat(20)}.log`;
    await using broker = await startBrokerProcess({
      data,
      args: ARGS,
      under: [
        ...["strace", "-D", "-f", "-qq", "-o", "/dev/null", "-P", log],
        ...["-e", "trace=write"],
        ...["-e", "inject=write:error=ENOSPC:when=5+7"],
      ],
    });
    const writers = writersAt(broker.address);
    try {
      await until(
        "a partition refused a marker",
        () => broker.stderr().includes("waits for partitions to take"),
      );
      const at = endedBy(writers);
      await until("they go on", () => endedBy(writers) > at + 60);
    } finally {
      await Promise.all(writers.map((writer) => writer.stop()));
    }
    await checkWhole(broker, writers);
    await broker.end("SIGTERM");
  },
});
