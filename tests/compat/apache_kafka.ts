/**
 * A real Apache Kafka for tests: fetched from Maven Central once, started as a
 * single KRaft node on free loopback ports, stopped and removed at the end.
 * Owns the process; says why when it can't be had.
 *
 * @module
 */
import { createAdmin } from "../../net/client.ts";
import { run, until } from "../fixtures.ts";
import { makeOnce } from "./made_once.ts";
import { freePort } from "../ports.ts";

const POM = new URL("./pom.xml", import.meta.url).pathname;
/** The same as in `quorum_members.ts`, which votes with it. */
export const CLUSTER_ID = "AAAAAAAAAAAAAAAAAAAABA";
const READY_MS_MAX = 90_000;
const STOP_MS_MAX = 60_000;
const SMALL_JVM = ["-Xmx400m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1"];

/** A running broker. */
export interface ApacheKafka extends AsyncDisposable {
  /** `host:port`. */
  readonly bootstrap: string;
  /** The folder with its partitions' folders. */
  readonly data: string;
  readonly pid: number;
  /** Lets it end as an operator would, or at once. */
  stop(signal?: "SIGTERM" | "SIGKILL"): Promise<void>;
}

/** The folder with the jars, or the reason why there is none. */
export async function apacheKafkaJars(): Promise<
  { folder: string } | { reason: string }
> {
  for (const program of ["java", "mvn"]) {
    const found = await run(["which", program]);
    if (found.code !== 0) return { reason: `${program} is not installed` };
  }
  const given = Deno.env.get("KF_TEST_KAFKA_LIBS");
  if (given) return { folder: given };
  const folder = "/tmp/kf-test-apache-kafka";
  try {
    const wanted = Deno.readTextFileSync(POM);
    await makeOnce(folder, wanted, () => fetchJars(folder));
  } catch (error) {
    return { reason: (error as Error).message };
  }
  return { folder };
}

async function fetchJars(folder: string): Promise<void> {
  const { code, stdout } = await run([
    "mvn",
    "-q",
    "-B",
    "-f",
    POM,
    "dependency:copy-dependencies",
    `-DoutputDirectory=${folder}`,
  ], { timeoutMs: 600_000 });
  if (code !== 0) throw new Error(`mvn failed: ${stdout.slice(-400)}`);
}

/** The command line of one of Kafka's tools, by the name of its class. */
export function kafkaTool(
  jars: string,
  name: string,
  args: readonly string[],
): string[] {
  return [
    "java",
    "-Xmx200m",
    "-XX:+UseSerialGC",
    "-XX:TieredStopAtLevel=1",
    "-cp",
    `${jars}/*`,
    `org.apache.kafka.tools.${name}`,
    ...args,
  ];
}

/** How a broker is started. */
interface ApacheKafkaOptions {
  readonly home?: string;
  /** Where it listens, for one that comes back; a free port without. */
  readonly port?: number;
  /** Over what all tests need. */
  readonly config?: Readonly<Record<string, string>>;
  /** Arguments of `format`: the release and levels of features. */
  readonly format?: readonly string[];
  /** How Java runs it; by default small, and soon there. */
  readonly jvm?: readonly string[];
  /** Ends it while it is still starting. */
  readonly signal?: AbortSignal;
}

/**
 * Starts a broker: with an empty log that is removed at the end, or in a `home`
 * that stays, where it goes on with what is there.
 */
export async function startApacheKafka(
  jars: string,
  options: ApacheKafkaOptions = {},
): Promise<ApacheKafka> {
  const home = options.home ??
    Deno.makeTempDirSync({ prefix: "kf-test-kafka-" });
  const port = options.port ?? freePort();
  const properties = `${home}/server.properties`;
  const lines = Object.entries(options.config ?? {}).map(([key, value]) =>
    `${key}=${value}`
  );
  Deno.writeTextFileSync(
    properties,
    propertiesOf(home, port, freePort()) + lines.join("\n"),
  );
  await format(jars, [properties, ...options.format ?? []]);
  const child = new Deno.Command("java", {
    args: [
      ...options.jvm ?? SMALL_JVM,
      "-cp",
      `${jars}/*`,
      "kafka.Kafka",
      properties,
    ],
    stdin: "null",
    stdout: "null",
    stderr: "null",
  }).spawn();
  let hasEnded = false;
  const ended = child.status.then(() => {
    hasEnded = true;
    throw new Error("Apache Kafka ended before it listened");
  });
  ended.catch(() => {});
  options.signal?.addEventListener("abort", () => {
    if (!hasEnded) child.kill("SIGKILL");
  });
  const stop = async (signal: "SIGTERM" | "SIGKILL" = "SIGTERM") => {
    if (!hasEnded) child.kill(signal);
    hasEnded = true;
    const timer = setTimeout(() => child.kill("SIGKILL"), STOP_MS_MAX);
    await child.status;
    clearTimeout(timer);
  };
  const dispose = async () => {
    await stop("SIGKILL");
    if (options.home === undefined) Deno.removeSync(home, { recursive: true });
  };
  try {
    const giveUp = new AbortController();
    const listening = untilListening(port, giveUp.signal);
    await Promise.race([ended, listening]).finally(async () => {
      giveUp.abort();
      await listening.catch(() => {});
    });
    if (!("process.roles" in (options.config ?? {}))) await untilServing(port);
  } catch (error) {
    await dispose();
    throw error;
  }
  return {
    bootstrap: `127.0.0.1:${port}`,
    data: `${home}/data`,
    pid: child.pid,
    stop,
    [Symbol.asyncDispose]: dispose,
  };
}

async function format(jars: string, args: readonly string[]): Promise<void> {
  const formatted = await run([
    "java",
    "-cp",
    `${jars}/*`,
    "kafka.tools.StorageTool",
    "format",
    "--ignore-formatted",
    "-t",
    CLUSTER_ID,
    "-c",
    ...args,
  ]);
  if (formatted.code !== 0) {
    throw new Error(`Cannot format the log: ${formatted.stderr}`);
  }
}

function propertiesOf(home: string, port: number, controller: number): string {
  return `process.roles=broker,controller
node.id=1
controller.quorum.voters=1@127.0.0.1:${controller}
listeners=PLAINTEXT://127.0.0.1:${port},CONTROLLER://127.0.0.1:${controller}
advertised.listeners=PLAINTEXT://127.0.0.1:${port}
controller.listener.names=CONTROLLER
log.dirs=${home}/data
offsets.topic.replication.factor=1
offsets.topic.num.partitions=3
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
share.coordinator.state.topic.replication.factor=1
share.coordinator.state.topic.min.isr=1
group.initial.rebalance.delay.ms=100
`;
}

/** Resolves when a broker at `port` is unfenced: it listens before that. */
async function untilServing(port: number): Promise<void> {
  const admin = createAdmin({ "bootstrap.servers": `127.0.0.1:${port}` });
  try {
    await until("Apache Kafka has a broker", async () => {
      const { nodes } = await admin.describeCluster();
      return nodes.length > 0;
    }, READY_MS_MAX);
  } finally {
    await admin.close();
  }
}

/** Resolves when something listens on `port`. */
export async function untilListening(
  port: number,
  signal?: AbortSignal,
): Promise<void> {
  const deadlineMs = Date.now() + READY_MS_MAX;
  for (;;) {
    try {
      const connection = await Deno.connect({ hostname: "127.0.0.1", port });
      connection.close();
      return;
    } catch (error) {
      if (Date.now() > deadlineMs || signal?.aborted) throw error;
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
  }
}
