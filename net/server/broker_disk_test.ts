/**
 * A broker whose disk is full, read-only, failing or somebody else's: what it
 * says, what it still serves, and that it goes on when the disk does. The
 * tests that mount a small disk need root and say so when they are skipped.
 *
 * @module
 */
import { assert, assertEquals, assertRejects } from "@std/assert";
import { denoEnv } from "../../core/env/deno_env.ts";
import { DiskError, type DiskFile, type Env } from "../../core/env/env.ts";
import { ERRORS, KafkaError } from "../../core/errors.ts";
import { encodeSnapshot, snapshotName } from "../../core/raft/snapshot.ts";
import { buildBatch } from "../../core/record/builder.ts";
import { temporaryFolder, until } from "../../tests/fixtures.ts";
import {
  create,
  fetch,
  hurried,
  latest,
  produce,
  records,
  start,
} from "../../tests/raw_broker.ts";
import { RawClient } from "../../tests/raw_client.ts";
import { mount, onDisk } from "../../tests/small_disk.ts";
import { METADATA } from "../wire/03_metadata.ts";
import { UNREGISTER_BROKER } from "../wire/64_unregister_broker.ts";

const MEGABYTE = "x".repeat(1_000_000);

/** Fills what is left of the disk; gives the file that does. */
function fill(path: string): string {
  const name = `${path}/filler`;
  using file = Deno.openSync(name, { create: true, write: true });
  try {
    for (let size = 65536; size >= 512; size /= 2) fillBy(file, size);
  } catch (error) {
    if (!(error instanceof Error)) throw error;
  }
  return name;
}

function fillBy(file: Deno.FsFile, size: number): void {
  const bytes = new Uint8Array(size);
  try {
    for (;;) if (file.writeSync(bytes) === 0) return;
  } catch {
    // Full for this size: the caller tries a smaller one.
  }
}

Deno.test("a full disk refuses an append by name, and room heals it", () =>
  onDisk("6m", async (folder) => {
    const broker = await start(folder, {
      env: denoEnv({ trace: () => {} }),
    });
    try {
      using client = await RawClient.connect(broker.address.port);
      assertEquals((await create(client, "t")).errorCode, 0);
      const batch = () => buildBatch(records(MEGABYTE));
      let kept = 0;
      let last = 0;
      while (last === 0 && kept < 20) {
        const answer = await produce(client, batch());
        last = answer.errorCode;
        if (last === 0) assertEquals(answer.baseOffset, kept++);
      }
      assertEquals(last, ERRORS.KAFKA_STORAGE_ERROR);
      using other = await RawClient.connect(broker.address.port);
      assertEquals((await fetch(other)).highWatermark, kept);
      fill(folder);
      const page = "x".repeat(8192);
      const small = await produce(other, buildBatch(records(page)));
      assertEquals(small.errorCode, ERRORS.KAFKA_STORAGE_ERROR);
      Deno.removeSync(`${folder}/filler`);
      const again = await produce(other, buildBatch(records("b")));
      assertEquals([again.errorCode, again.baseOffset], [0, kept]);
      fill(folder);
      // Not all can be written down: it says so, and the next start looks.
      await assertRejects(() => broker.stop(), Error, "No space left");
      Deno.removeSync(`${folder}/filler`);
      assert(mount("-o", "remount,size=12m", folder));
      const restarted = await start(folder, {
        env: denoEnv({ trace: () => {} }),
      });
      using reader = await RawClient.connect(restarted.address.port);
      assertEquals((await fetch(reader)).highWatermark, kept + 1);
      reader.close();
      await restarted.stop();
    } finally {
      await broker.stop().catch(() => {});
    }
  }));

Deno.test("a topic made on a full disk is served when room returns", () =>
  onDisk("6m", async (folder) => {
    const fatal: unknown[] = [];
    const broker = await start(folder, {
      env: denoEnv({ trace: () => {} }),
      onFatal: (error) => fatal.push(error),
    });
    try {
      using client = await RawClient.connect(broker.address.port);
      assertEquals((await create(client, "before")).errorCode, 0);
      const filler = fill(folder);
      const refused = await create(client, "full");
      const { topics } = await client.call({ api: METADATA, version: 12 }, {
        topics: null,
      });
      const exists = topics.some(({ name }) => name === "full");
      assertEquals(refused.errorCode === 0, exists);
      if (exists) {
        const options = { topic: "full" };
        const answer = await produce(client, buildBatch(records("a")), options);
        assertEquals(answer.errorCode, ERRORS.KAFKA_STORAGE_ERROR);
        const read = await fetch(client, options);
        assertEquals(read.errorCode, ERRORS.KAFKA_STORAGE_ERROR);
      } else assertEquals(refused.errorCode, ERRORS.KAFKA_STORAGE_ERROR);
      Deno.removeSync(filler);
      if (!exists) assertEquals((await create(client, "full")).errorCode, 0);
      await until("the topic is served", async () => {
        const batch = buildBatch(records("b"));
        const { errorCode } = await produce(client, batch, { topic: "full" });
        return errorCode === 0;
      });
      assertEquals(fatal, []);
    } finally {
      await broker.stop();
    }
  }));

Deno.test("a partition whose folder can't be made answers so, and is tried again", async () => {
  using folder = temporaryFolder();
  const real = denoEnv({ trace: () => {} });
  let isRefusing = true;
  const env: Env = {
    ...real,
    disk: {
      ...real.disk,
      mkdir(path) {
        if (isRefusing && path.endsWith("/late-0")) {
          throw new DiskError("NoSpace", `Cannot make "${path}": disk full`);
        }
        real.disk.mkdir(path);
      },
    },
  };
  const broker = await start(folder.path, { env });
  try {
    using client = await RawClient.connect(broker.address.port);
    assertEquals((await create(client, "late")).errorCode, 0);
    const options = { topic: "late" };
    const answer = await produce(client, buildBatch(records("a")), options);
    assertEquals(answer.errorCode, ERRORS.KAFKA_STORAGE_ERROR);
    const read = await fetch(client, options);
    assertEquals(read.errorCode, ERRORS.KAFKA_STORAGE_ERROR);
    isRefusing = false;
    await until("the partition is served", async () => {
      const batch = buildBatch(records("b"));
      return (await produce(client, batch, options)).errorCode === 0;
    });
  } finally {
    await broker.stop();
    await env.tasks.settled();
  }
});

Deno.test("a full or read-only disk at the start is said in a sentence", async () => {
  await onDisk("1m", async (path) => {
    fill(path);
    await assertRejects(() => start(path), Error, path);
    Deno.removeSync(`${path}/filler`);
    assert(mount("-o", "remount,ro", path));
    await assertRejects(() => start(path), Error, path);
    assert(mount("-o", "remount,rw", path));
    const broker = await start(path);
    await broker.stop();
  });
});

Deno.test("a disk that turns read-only refuses appends, reads go on", () =>
  onDisk("8m", async (path) => {
    const broker = await start(path, { env: denoEnv({ trace: () => {} }) });
    try {
      using client = await RawClient.connect(broker.address.port);
      await create(client, "t");
      const batch = () => buildBatch(records("a"), {});
      assertEquals((await produce(client, batch())).errorCode, 0);
      // Open files keep a tmpfs writable: a new segment's would not be.
      if (!mount("-o", "remount,ro", path)) return;
      const { errorCode } = await create(client, "u");
      assertEquals(errorCode, ERRORS.KAFKA_STORAGE_ERROR);
      assertEquals((await fetch(client)).highWatermark, 1);
    } finally {
      mount("-o", "remount,rw", path);
      await broker.stop();
    }
  }));

/** The real seams, but for calls on the metadata log that can be made fail. */
function failing(
  names: readonly (keyof DiskFile)[],
  isFailing: () => boolean,
): Env {
  const real = denoEnv({ trace: () => {} });
  return {
    ...real,
    disk: {
      ...real.disk,
      open(path, mode) {
        const file = real.disk.open(path, mode);
        if (!/__cluster_metadata-0\/\d+\.log$/.test(path)) return file;
        return new Proxy<DiskFile>(file, {
          get(target, name) {
            const isMeant = names.includes(name as keyof DiskFile);
            if (isMeant && isFailing()) {
              throw new DiskError("Io", `Cannot use "${path}": bad disk`);
            }
            const value = Reflect.get(target, name, target);
            return typeof value === "function" ? value.bind(target) : value;
          },
        });
      },
    },
  };
}

/** A disk that fails these calls ends the broker, which tells why. */
async function endsIn(...names: readonly (keyof DiskFile)[]): Promise<void> {
  using folder = temporaryFolder();
  let isFailing = false;
  const fatal: Error[] = [];
  const env = failing(names, () => isFailing);
  const broker = await start(folder.path, {
    env,
    onFatal: (error) => fatal.push(error as Error),
  });
  {
    using client = await RawClient.connect(broker.address.port);
    assertEquals((await create(client, "t")).errorCode, 0);
    isFailing = true;
    const refused = await create(client, "u");
    assertEquals(refused.errorCode, ERRORS.KAFKA_STORAGE_ERROR);
    await create(client, "v");
    assertEquals(fatal.length, 1, "it is told once");
    assert(fatal[0]!.message.includes("its metadata log failed"));
    assert(!fatal[0]!.message.includes("\n"));
  }
  await broker.stop().catch(() => {});
  await env.tasks.settled();
  const again = await start(folder.path);
  await again.stop();
}

Deno.test("a metadata log that can't be synced ends the broker, in a sentence", () =>
  endsIn("syncData"));

Deno.test("a metadata log that can't be put right after a failed write ends the broker", () =>
  endsIn("pwriteAll", "truncate"));

Deno.test("a metadata log that can't be synced at the start ends the start, in a sentence", async () => {
  using folder = temporaryFolder();
  const env = failing(["syncData"], () => true);
  await assertRejects(() => start(folder.path, { env }), Error, "bad disk");
  await env.tasks.settled();
  const broker = await start(folder.path);
  await broker.stop();
});

Deno.test("a folder put together from two clusters is refused, and nothing of it lost", async () => {
  using one = temporaryFolder();
  using two = temporaryFolder();
  for (const [{ path }, topic] of [[one, "a"], [two, "b"]] as const) {
    const broker = await start(path);
    using client = await RawClient.connect(broker.address.port);
    await create(client, topic);
    await produce(client, buildBatch(records("x")), { topic });
    client.close();
    await broker.stop();
  }
  const refused = (words: string) =>
    assertRejects(() => start(one.path), Error, words);
  const meta = `${one.path}/meta.properties`;
  const own = Deno.readTextFileSync(meta);
  Deno.copyFileSync(`${two.path}/meta.properties`, meta);
  await refused("put together from two clusters");
  Deno.removeSync(meta);
  await refused("no meta.properties");
  Deno.writeTextFileSync(meta, own);
  const metadata = `${one.path}/__cluster_metadata-0`;
  Deno.renameSync(metadata, `${two.path}/kept`);
  await refused("knows nothing of");
  Deno.removeSync(metadata, { recursive: true });
  Deno.renameSync(`${two.path}/kept`, metadata);
  const broker = await start(one.path);
  using client = await RawClient.connect(broker.address.port);
  assertEquals((await fetch(client, { topic: "a" })).highWatermark, 1);
  client.close();
  await broker.stop();
});

Deno.test("a broker that was unregistered while it ran opens its folder again", async () => {
  using folder = temporaryFolder();
  const broker = await start(folder.path);
  {
    using client = await RawClient.connect(broker.address.port);
    await create(client, "t");
    await produce(client, buildBatch(records("x")), { topic: "t" });
    const { errorCode } = await client.call(latest(UNREGISTER_BROKER), {
      brokerId: broker.nodeId,
    });
    assertEquals(errorCode, 0);
  }
  await broker.stop();
  const again = await start(folder.path);
  using client = await RawClient.connect(again.address.port);
  assertEquals((await fetch(client, { topic: "t" })).highWatermark, 1);
  client.close();
  await again.stop();
});

Deno.test("metadata with a record that isn't known are refused, and nothing is written", async () => {
  using folder = temporaryFolder();
  await (await start(folder.path)).stop();
  const id = { endOffset: 1, epoch: 1 };
  const metadata = `${folder.path}/__cluster_metadata-0`;
  const parts = encodeSnapshot([Uint8Array.of(1, 99, 0)], { id, nowMs: 1 });
  const path = `${metadata}/${snapshotName(id)}`;
  for (const part of parts) Deno.writeFileSync(path, part, { append: true });
  const log = `${metadata}/00000000000000000000.log`;
  const before = Deno.readFileSync(log);
  await assertRejects(
    () => start(folder.path),
    KafkaError,
    "something newer wrote: Cannot decode metadata record: type 99 is not",
  );
  assertEquals(Deno.readFileSync(log), before);
  Deno.removeSync(path);
  await (await start(folder.path)).stop();
});

Deno.test("changed metadata is written as a snapshot when its time has come", async () => {
  using folder = temporaryFolder();
  const env = hurried(200);
  const broker = await start(folder.path, {
    env,
    config: { "metadata.log.max.snapshot.interval.ms": "30000" },
  });
  try {
    using client = await RawClient.connect(broker.address.port);
    await create(client, "t");
    const metadata = `${folder.path}/__cluster_metadata-0`;
    await until("a snapshot is there", () =>
      [...Deno.readDirSync(metadata)]
        .some(({ name }) => /^\d{20}-\d{10}\.checkpoint$/.test(name)));
  } finally {
    await broker.stop();
    await env.tasks.settled();
  }
  const again = await start(folder.path);
  using client = await RawClient.connect(again.address.port);
  assertEquals((await fetch(client)).errorCode, 0);
  client.close();
  await again.stop();
});
