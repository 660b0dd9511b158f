/**
 * Times kf's broker beside a C mock that does the least a broker must do: the
 * same C load through real sockets, in pairs, MB/s, records/s and CPU-seconds
 * of the broker process per GB. Prints ratios; asserts nothing. Needs `cc`.
 *
 * Run it with `deno task bench`.
 *
 * @module
 */

import { build, cpuSeconds, median, print } from "./measure.ts";

const HERE = new URL(".", import.meta.url).pathname;
const ROUNDS = 3;
const CONNECTIONS = 4;
const DEPTH = 8;
const RECORD_BYTES = 1000;
const BATCH_SIZES = [1024, 16384, 65536];
const PRODUCE_BYTES = 400_000_000;
const FETCH_BYTES = 1_000_000_000;
const FETCH_SIZE = 1 << 20;

interface Sample {
  readonly bytesPerSecond: number;
  readonly recordsPerSecond: number;
  readonly cpuSecondsPerGb: number;
}

interface Peer {
  readonly name: string;
  readonly port: number;
  readonly pid: number;
  stop(): Promise<void>;
}

async function firstLine(
  stream: ReadableStream<Uint8Array>,
  pattern: RegExp,
): Promise<RegExpExecArray> {
  const reader = stream.pipeThrough(new TextDecoderStream()).getReader();
  let text = "";
  for (;;) {
    const { value, done } = await reader.read();
    if (done) throw new Error(`Broker ended before it was ready: ${text}`);
    text += value;
    const match = pattern.exec(text);
    if (match) {
      drain(reader);
      return match;
    }
  }
}

async function drain(
  reader: ReadableStreamDefaultReader<string>,
): Promise<void> {
  while (!(await reader.read()).done);
}

async function startMock(binary: string, folder: string): Promise<Peer> {
  const child = new Deno.Command(binary, {
    args: [`${folder}/mock.data`],
    stdout: "piped",
  }).spawn();
  const [, port] = await firstLine(child.stdout, /^(\d+)\n/);
  return {
    name: "C mock",
    port: Number(port),
    pid: child.pid,
    async stop() {
      child.kill("SIGTERM");
      await child.status;
    },
  };
}

async function startKf(folder: string): Promise<Peer> {
  const child = new Deno.Command(Deno.execPath(), {
    args: [
      "run",
      "-A",
      `${HERE}../../cli/main.ts`,
      "broker",
      "--data",
      `${folder}/kf`,
      "--listen",
      "127.0.0.1:0",
      "-X",
      "log.segment.bytes=1073741824",
    ],
    stdin: "null",
    stdout: "null",
    stderr: "piped",
  }).spawn();
  const [, port] = await firstLine(child.stderr, /127\.0\.0\.1:(\d+)/);
  return {
    name: "kf",
    port: Number(port),
    pid: child.pid,
    async stop() {
      child.kill("SIGTERM");
      await child.status;
    },
  };
}

interface Load {
  readonly binary: string;
  readonly verb: "produce" | "fetch";
  readonly topic: string;
  readonly bytes: number;
}

async function run(load: Load, peer: Peer): Promise<Sample> {
  const fetching = load.verb === "fetch";
  const before = cpuSeconds(peer.pid);
  const { code, stdout } = await new Deno.Command(load.binary, {
    args: [
      load.verb,
      peer.port,
      load.topic,
      load.bytes,
      RECORD_BYTES,
      CONNECTIONS,
      fetching ? 1 : DEPTH,
      fetching ? FETCH_BYTES : PRODUCE_BYTES,
    ].map(String),
    stderr: "inherit",
  }).output();
  if (code !== 0) {
    throw new Error(
      `Load ${load.verb} failed on ${peer.name}: ${
        new TextDecoder().decode(stdout)
      }`,
    );
  }
  const result = JSON.parse(new TextDecoder().decode(stdout));
  const cpu = cpuSeconds(peer.pid) - before;
  return {
    bytesPerSecond: result.bytes / result.seconds,
    recordsPerSecond: result.records / result.seconds,
    cpuSecondsPerGb: cpu / result.bytes * 1e9,
  };
}

function report(label: string, peer: string, samples: Sample[]): number {
  const mb = median(samples.map((sample) => sample.bytesPerSecond)) / 1e6;
  const records = median(samples.map((sample) => sample.recordsPerSecond));
  const cpu = median(samples.map((sample) => sample.cpuSecondsPerGb));
  print(
    `${label.padEnd(16)} ${peer.padEnd(8)} ${mb.toFixed(0).padStart(6)} MB/s ${
      records.toFixed(0).padStart(9)
    } records/s ${cpu.toFixed(2).padStart(6)} CPU-s/GB`,
  );
  return 1 / cpu;
}

/** Runs one load on both, in turn, and prints the ratio of MB per CPU-second. */
async function pair(label: string, load: Load, peers: Peer[]): Promise<void> {
  const samples = new Map<Peer, Sample[]>(peers.map((peer) => [peer, []]));
  for (let round = 0; round < ROUNDS; round++) {
    for (const peer of peers) samples.get(peer)!.push(await run(load, peer));
  }
  const [kf, mock] = peers.map((peer) =>
    report(label, peer.name, samples.get(peer)!)
  );
  print(
    `${label.padEnd(16)} kf / C   ${
      (kf! / mock!).toFixed(2)
    } of the MB per CPU-second`,
  );
}

async function createTopics(folder: string, port: number): Promise<void> {
  const names = BATCH_SIZES.map((size) => `bench-${size}`);
  const { success } = await new Deno.Command(Deno.execPath(), {
    args: [
      "run",
      "-A",
      `${HERE}../../cli/main.ts`,
      "topic",
      "create",
      ...names,
      "-p",
      "1",
      "-b",
      `127.0.0.1:${port}`,
    ],
    cwd: folder,
    stdout: "null",
    stderr: "inherit",
  }).output();
  if (!success) throw new Error("Cannot create the topics of the comparison");
}

const folder = await Deno.makeTempDir({ prefix: "kf-bench-" });
try {
  const load = await build("load.c", folder);
  const mock = await build("mock_broker.c", folder);
  for (const size of BATCH_SIZES) {
    const peers = [await startKf(folder), await startMock(mock, folder)];
    try {
      if (size === BATCH_SIZES[0]) await createTopics(folder, peers[0]!.port);
      const topic = `bench-${size}`;
      const kb = `${size / 1024} KB`;
      await pair(`produce ${kb}`, {
        binary: load,
        verb: "produce",
        topic,
        bytes: size,
      }, peers);
      await pair(`fetch ${kb}`, {
        binary: load,
        verb: "fetch",
        topic,
        bytes: FETCH_SIZE,
      }, peers);
    } finally {
      for (const peer of peers) await peer.stop();
    }
  }
} finally {
  await Deno.remove(folder, { recursive: true });
}
