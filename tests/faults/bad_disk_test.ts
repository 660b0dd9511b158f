/**
 * A real broker on a real disk that is full, or whose system calls fail: it
 * answers with Kafka's storage error, goes on reading, and what it
 * acknowledged is there afterwards. Needs root for the small disk and strace
 * for the calls, and says so where it is skipped.
 *
 * @module
 */
import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { ERRORS } from "../../core/errors.ts";
import { buildBatch } from "../../core/record/builder.ts";
import {
  type Consumer,
  createConsumer,
  createProducer,
  type Producer,
} from "../../net/client.ts";
import {
  hasProgram,
  kf,
  run,
  startBrokerProcess,
  temporaryFolder,
  until,
} from "../fixtures.ts";
import { fetch, produce, records } from "../raw_broker.ts";
import { RawClient } from "../raw_client.ts";
import { onDisk } from "../small_disk.ts";

const STORAGE = ERRORS.KAFKA_STORAGE_ERROR;
const STRACE = hasProgram("strace", "-V");
const KCAT = hasProgram("kcat", "-V");

/** Sends numbered values one after the other until told to stop. */
function sendUntil(producer: Producer, isOver: () => boolean) {
  const acknowledged: string[] = [];
  const over = (async () => {
    for (let n = 0; !isOver(); n++) {
      await producer.send({ topic: "t", key: `${n}`, value: `${n}` });
      acknowledged.push(`${n}`);
    }
  })();
  return { acknowledged, over };
}

/** Reads and commits until told to stop; failed commits are tried again. */
function readUntil(consumer: Consumer, isOver: (read: string[]) => boolean) {
  const read: string[] = [];
  const over = (async () => {
    while (!isOver(read)) {
      for (const { records } of await consumer.poll(100)) {
        for (const { value } of records) {
          read.push(new TextDecoder().decode(value!));
        }
      }
      await consumer.commit().catch(() => {});
    }
  })();
  return { read, over };
}

Deno.test("clients live through a full disk: all that was acknowledged is read once, without a restart", () =>
  onDisk("4m", async (disk) => {
    await using broker = await startBrokerProcess({ data: `${disk}/data` });
    const servers = broker.address;
    const producer = createProducer({
      "bootstrap.servers": servers,
      "delivery.timeout.ms": 120_000,
    });
    const consumer = createConsumer({
      "bootstrap.servers": servers,
      "group.id": "g",
      "auto.offset.reset": "earliest",
      "enable.auto.commit": false,
    });
    let isSending = true;
    let isDone = false;
    const { acknowledged, over: sent } = sendUntil(producer, () => !isSending);
    await until("records are acknowledged", () => acknowledged.length > 20);
    consumer.subscribe(["t"]);
    const { read, over: consumed } = readUntil(
      consumer,
      (read) => isDone && read.length >= acknowledged.length,
    );
    try {
      await until("records are read", () => read.length > 20);
      const filler = `${disk}/filler`;
      // `dd` ends with an error when nothing is left.
      await run(["dd", "if=/dev/zero", `of=${filler}`, "bs=4k"]);
      using raw = await RawClient.connect(broker.port);
      const big = "x".repeat(16_000);
      await until("the disk is full", async () => {
        const { errorCode } = await produce(raw, buildBatch(records(big)));
        return errorCode === STORAGE;
      });
      const at = acknowledged.length;
      assertEquals((await fetch(raw)).errorCode, 0);
      Deno.removeSync(filler);
      await until("it goes on", () => acknowledged.length > at + 20);
      isSending = false;
      await sent;
      isDone = true;
      await consumed;
    } finally {
      isSending = false;
      await producer.close();
      await consumer.close();
    }
    const numbers = read.filter((value) => !value.startsWith("x"));
    assertEquals(numbers, acknowledged);
    const lag = await kf([
      ...["group", "lag", "g", "-b", servers, "--format", "json"],
    ]);
    assertEquals(lag.code, 0, lag.stderr);
    assertEquals(await broker.end("SIGTERM"), 0, broker.stderr());
  }));

Deno.test({
  name: "kcat is told of a full disk, and reads from it",
  ignore: !KCAT,
  fn: () =>
    onDisk("4m", async (disk) => {
      await using broker = await startBrokerProcess({ data: `${disk}/data` });
      const kcat = (args: string[], stdin = "") =>
        run(["kcat", "-b", broker.address, "-t", "t", ...args], { stdin });
      assertEquals((await kcat(["-P"], "first\n")).code, 0);
      await run(["dd", "if=/dev/zero", `of=${disk}/filler`, "bs=4k"]);
      const limits = ["-X", "message.timeout.ms=2000", "-X", "retries=2"];
      const refused = await kcat(["-P", ...limits], "x".repeat(9000) + "\n");
      assertEquals(refused.code, 1);
      const read = await kcat(["-C", "-q", "-e"]);
      assertEquals(read.stdout, "first\n");
      Deno.removeSync(`${disk}/filler`);
      assertEquals((await kcat(["-P"], "second\n")).code, 0);
      assertEquals(
        (await kcat(["-C", "-q", "-e"])).stdout,
        "first\nsecond\n",
      );
      assertEquals(await broker.end("SIGTERM"), 0, broker.stderr());
    }),
});

/** Runs a command whose `call`s on `path` fail as `how` says. */
function injecting(path: string, call: string, how: string): string[] {
  return [
    ...["strace", "-D", "-f", "-qq", "-o", "/dev/null", "-P", path],
    ...["-e", `trace=${call}`, "-e", `inject=${call}:${how}`],
  ];
}

Deno.test({
  name:
    "a log whose fdatasync fails once takes nothing more until the next start",
  ignore: !STRACE,
  fn: async () => {
    using folder = temporaryFolder();
    const data = `${folder.path}/data`;
    const log = `${data}/t-0/00000000000000000000.log`;
    const args = ["-X", "log.flush.interval.messages=1"];
    const batch = () => buildBatch(records("x"));
    let written = 0;
    {
      await using broker = await startBrokerProcess({ data, args });
      using client = await RawClient.connect(broker.port);
      const made = ["topic", "create", "t", "-b", broker.address];
      assertEquals((await kf(made)).code, 0);
      assertEquals((await produce(client, batch())).baseOffset, written++);
      client.close();
      assertEquals(await broker.end("SIGTERM"), 0);
    }
    {
      await using broker = await startBrokerProcess({
        data,
        args,
        under: injecting(log, "fdatasync", "error=EIO:when=1"),
      });
      using client = await RawClient.connect(broker.port);
      for (let i = 0; i < 3; i++) {
        assertEquals((await produce(client, batch())).errorCode, STORAGE);
      }
      assertEquals((await fetch(client)).highWatermark, written);
      client.close();
      assertStringIncludes(broker.stderr(), "t-0 is offline");
      await broker.end("SIGTERM");
    }
    await using broker = await startBrokerProcess({ data, args });
    using client = await RawClient.connect(broker.port);
    // What was refused may be there, as a whole; a flush settles it.
    await until(
      "what was recovered is settled",
      async () => (await fetch(client)).highWatermark > written,
    );
    assertEquals((await produce(client, batch())).baseOffset, written + 1);
    client.close();
    assertEquals(await broker.end("SIGTERM"), 0);
  },
});

Deno.test({
  name: "a log whose writes fail now and then loses nothing",
  ignore: !STRACE,
  fn: async () => {
    using folder = temporaryFolder();
    const data = `${folder.path}/data`;
    const log = `${data}/t-0/00000000000000000000.log`;
    await using broker = await startBrokerProcess({
      data,
      under: injecting(log, "write", "error=ENOSPC:when=3+4"),
    });
    using client = await RawClient.connect(broker.port);
    const made = ["topic", "create", "t", "-b", broker.address];
    assertEquals((await kf(made)).code, 0);
    const codes: number[] = [];
    let written = 0;
    for (let i = 0; i < 20; i++) {
      const answer = await produce(client, buildBatch(records(`value ${i}`)));
      codes.push(answer.errorCode);
      if (answer.errorCode === 0) assertEquals(answer.baseOffset, written++);
      else assertEquals(answer.errorCode, STORAGE);
    }
    assert(codes.includes(STORAGE) && codes.includes(0), `${codes}`);
    assertEquals((await fetch(client)).highWatermark, written);
    client.close();
    assertEquals(await broker.end("SIGTERM"), 0, broker.stderr());
    const verified = await kf(["log", "dump", "--verify", data]);
    assertEquals(verified.code, 0, verified.stdout);
  },
});
