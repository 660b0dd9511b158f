/**
 * Voters of kf and of Apache Kafka come and go in one quorum (KIP-853): each
 * joins the other's, Kafka's tool changes who votes, and each goes on when the
 * other is gone.
 *
 * @module
 */
import { assert, assertEquals, assertMatch } from "@std/assert";
import { createAdmin } from "../../net/client.ts";
import { kf, run, temporaryFolder, until } from "../fixtures.ts";
import { ProcessNode, QUICK } from "../cluster/cluster.ts";
import {
  apacheKafkaJars,
  CLUSTER_ID,
  kafkaTool,
  startApacheKafka,
} from "./apache_kafka.ts";
import { freePorts } from "../ports.ts";

const jars = await apacheKafkaJars();
const isMissing = "reason" in jars;
if (isMissing) console.warn(`Apache Kafka is not there: ${jars.reason}`);
const libs = "folder" in jars ? jars.folder : "";

/** Where the nodes' controllers are, and kf's clients. */
interface Places {
  readonly folder: string;
  readonly clients: (id: number) => number;
  readonly controller: (id: number) => string;
}

function places(folder: string): Places {
  const ports = freePorts(6);
  return {
    folder,
    clients: (id) => ports[id - 1]!,
    controller: (id) => `127.0.0.1:${ports[2 + id]}`,
  };
}

const JOINING = { "controller.quorum.auto.join.enable": "true" };

/** A broker and controller of kf that looks for the quorum at `server`. */
function kfNode(
  { folder, clients, controller }: Places,
  { id, server, config = {} }: {
    readonly id: number;
    readonly server: number;
    readonly config?: Readonly<Record<string, string>>;
  },
): ProcessNode {
  const port = clients(id);
  return new ProcessNode(id, port, {
    "node.id": String(id),
    "log.dirs": `${folder}/${id}`,
    "kf.cluster.id": CLUSTER_ID,
    "listeners": `PLAINTEXT://127.0.0.1:${port},CONTROLLER://${controller(id)}`,
    "controller.listener.names": "CONTROLLER",
    "controller.quorum.bootstrap.servers": controller(server),
    ...QUICK,
    ...config,
  });
}

/** A controller of Apache Kafka. */
function kafkaController(
  { controller }: Places,
  { id, server, format, config = {} }: {
    readonly id: number;
    readonly server: number;
    readonly format: readonly string[];
    readonly config?: Readonly<Record<string, string>>;
  },
) {
  return startApacheKafka(libs, {
    port: Number(controller(id).split(":")[1]),
    format,
    config: {
      "process.roles": "controller",
      "node.id": String(id),
      "listeners": `CONTROLLER://${controller(id)}`,
      "advertised.listeners": `CONTROLLER://${controller(id)}`,
      "controller.quorum.voters": "",
      "controller.quorum.bootstrap.servers": controller(server),
      ...config,
    },
  });
}

/** Kafka's kafka-metadata-quorum. */
function tool(port: number, ...args: readonly string[]) {
  const bootstrap = ["--bootstrap-server", `127.0.0.1:${port}`];
  return run(
    kafkaTool(libs, "MetadataQuorumCommand", [...bootstrap, ...args]),
    { timeoutMs: 60_000 },
  );
}

/** Who votes by a broker of kf, and who leads. */
async function quorumBy(port: number) {
  const admin = createAdmin({ "bootstrap.servers": `127.0.0.1:${port}` });
  try {
    const { voters, leaderId } = await admin.describeMetadataQuorum();
    return { voters, leaderId, ids: voters.map(({ nodeId }) => nodeId).join() };
  } finally {
    await admin.close();
  }
}

function vote(port: number, ids: string): Promise<unknown> {
  return until(
    `${ids} vote`,
    async () => (await quorumBy(port).catch(() => undefined))?.ids === ids,
    60_000,
  );
}

Deno.test({
  name:
    "a controller of Apache Kafka joins kf's quorum from a snapshot, and Kafka's tool shows and removes it",
  ignore: isMissing,
  async fn() {
    using folder = temporaryFolder();
    const at = places(folder.path);
    const one = kfNode(at, {
      id: 1,
      server: 1,
      config: { "metadata.log.max.record.bytes.between.snapshots": "300" },
    });
    await one.start();
    try {
      for (const topic of ["a", "b", "c"]) {
        const bootstrap = ["-b", `127.0.0.1:${one.port}`];
        const created = await kf(["topic", "create", topic, ...bootstrap]);
        assertEquals(created.code, 0, created.stderr);
      }
      const metadata = `${folder.path}/1/__cluster_metadata-0`;
      assert(
        [...Deno.readDirSync(metadata)]
          .some(({ name }) => name.endsWith(".checkpoint")),
      );
      await using kafka = await kafkaController(at, {
        id: 2,
        server: 1,
        format: ["--no-initial-controllers"],
        config: JOINING,
      });
      await vote(one.port, "1,2");
      const status = await tool(one.port, "describe", "--status");
      assertMatch(status.stdout, /LeaderId:\s+1\n/, status.stderr);
      assertMatch(status.stdout, /CurrentVoters:.*"id": 1.*"id": 2/);
      assertMatch(status.stdout, /CONTROLLER:\/\/127\.0\.0\.1:\d+/);
      const described = await tool(one.port, "describe", "--replication");
      assertMatch(
        described.stdout,
        /\n2\s+\S{22}\s+\d+\s+\d+\s.*Follower/,
        described.stderr,
      );
      const taken = Deno.readDirSync(`${kafka.data}/__cluster_metadata-0`);
      assert(
        [...taken].some(({ name }) => /^0*[1-9].*\.checkpoint$/.test(name)),
        "it fetched a snapshot",
      );
      const { voters } = await quorumBy(one.port);
      const removed = await tool(
        one.port,
        "remove-controller",
        "--controller-id",
        "2",
        "--controller-directory-id",
        voters[1]!.directoryId!,
      );
      assertMatch(removed.stdout, /Removed KRaft controller 2/, removed.stderr);
    } finally {
      await one.end();
    }
  },
});

Deno.test({
  name:
    "Kafka's tool adds a controller of kf and removes the first, which leads",
  ignore: isMissing,
  async fn() {
    using folder = temporaryFolder();
    const at = places(folder.path);
    const nodes = [
      kfNode(at, { id: 1, server: 1 }),
      kfNode(at, { id: 2, server: 1 }),
    ] as const;
    const [one, two] = nodes;
    try {
      await Promise.all(nodes.map((node) => node.start()));
      const config = `${folder.path}/two.properties`;
      Deno.writeTextFileSync(
        config,
        `process.roles=controller
node.id=2
log.dirs=${folder.path}/2
metadata.log.dir=${folder.path}/2
controller.listener.names=CONTROLLER
controller.quorum.bootstrap.servers=${at.controller(1)}
listeners=CONTROLLER://${at.controller(2)}
`,
      );
      const added = await tool(
        one.port,
        "--command-config",
        config,
        "add-controller",
      );
      assertMatch(added.stdout, /Added controller 2/, added.stderr);
      await vote(one.port, "1,2");
      const { voters } = await quorumBy(one.port);
      const removed = await tool(
        two.port,
        "remove-controller",
        "--controller-id",
        "1",
        "--controller-directory-id",
        voters[0]!.directoryId!,
      );
      assertMatch(removed.stdout, /Removed KRaft controller 1/, removed.stderr);
      await vote(two.port, "2");
      await one.stop();
      const { leaderId } = await quorumBy(two.port);
      assertEquals(leaderId, 2);
    } finally {
      await Promise.allSettled(nodes.map((node) => node.end()));
    }
  },
});

Deno.test({
  name:
    "kf joins a quorum of Apache Kafka, and goes on when Kafka's controller is gone",
  ignore: isMissing,
  async fn() {
    using folder = temporaryFolder();
    const at = places(folder.path);
    const nodes = [2, 3].map((id) =>
      kfNode(at, { id, server: 1, config: JOINING })
    );
    await using kafka = await kafkaController(at, {
      id: 1,
      server: 1,
      format: ["--standalone", "--release-version", "4.1"],
    });
    try {
      await Promise.all(nodes.map((node) => node.start()));
      const [two, three] = nodes as [ProcessNode, ProcessNode];
      await vote(two.port, "1,2,3");
      assertEquals((await quorumBy(three.port)).leaderId, 1);
      await kafka.stop("SIGKILL");
      await until("kf decides alone", async () => {
        const { code } = await kf(
          ["topic", "create", "t", "-b", `127.0.0.1:${two.port}`],
        );
        return code === 0;
      }, 60_000);
      const { voters } = await quorumBy(three.port);
      const removed = await tool(
        three.port,
        "remove-controller",
        "--controller-id",
        "1",
        "--controller-directory-id",
        voters[0]!.directoryId!,
      );
      assertMatch(removed.stdout, /Removed KRaft controller 1/, removed.stderr);
      await vote(two.port, "2,3");
    } finally {
      await Promise.allSettled(nodes.map((node) => node.end()));
    }
  },
});

Deno.test({
  name:
    "new nodes of kf and of Apache Kafka vote together by one list of first controllers",
  ignore: isMissing,
  async fn() {
    using folder = temporaryFolder();
    const at = places(folder.path);
    const list = [
      `1@${at.controller(1)}:MLPRt3J0RyKvMRPIkCVP9A`,
      `2@${at.controller(2)}:ZDXbrQWMTWSlUH7Dmzdv7g`,
    ].join();
    const one = kfNode(at, {
      id: 1,
      server: 1,
      config: { "kf.initial.controllers": list },
    });
    try {
      const serving = one.start();
      // Neither of the two is a majority.
      await using _ = await kafkaController(at, {
        id: 2,
        server: 1,
        format: ["--initial-controllers", list, "--release-version", "4.1"],
      });
      await serving;
      const { voters, ids } = await quorumBy(one.port);
      assertEquals(ids, "1,2");
      assertEquals(
        voters.map(({ directoryId }) => directoryId),
        ["MLPRt3J0RyKvMRPIkCVP9A", "ZDXbrQWMTWSlUH7Dmzdv7g"],
      );
      const status = await tool(one.port, "describe", "--status");
      assertMatch(status.stdout, /CurrentVoters:.*"id": 1.*"id": 2/);
    } finally {
      await one.end();
    }
  },
});

Deno.test({
  name:
    "a folder of a standalone Apache Kafka opens with kf as it is, and goes back",
  ignore: isMissing,
  async fn() {
    using folder = temporaryFolder();
    const at = places(folder.path);
    const home = `${folder.path}/kafka`;
    Deno.mkdirSync(home);
    const start = () =>
      startApacheKafka(libs, {
        home,
        port: at.clients(1),
        format: ["--standalone", "--release-version", "4.1"],
        config: {
          "listeners": `PLAINTEXT://127.0.0.1:${at.clients(1)},CONTROLLER://${
            at.controller(1)
          }`,
          "controller.quorum.voters": "",
          "controller.quorum.bootstrap.servers": at.controller(1),
        },
      });
    const done = async (...args: string[]) => {
      const line = [...args, "-b", `127.0.0.1:${at.clients(1)}`];
      const { code, stdout, stderr } = await kf(line, { stdin: "x\n" });
      assertEquals(code, 0, stderr);
      return stdout;
    };
    const kafka = await start();
    try {
      await done("topic", "create", "t");
      await done("produce", "t");
    } finally {
      await kafka.stop();
    }
    // Without any key of a quorum: the folder says who votes.
    const plain = new ProcessNode(1, at.clients(1), {
      "node.id": "1",
      "log.dirs": `${home}/data`,
      "listeners": `PLAINTEXT://127.0.0.1:${at.clients(1)}`,
      ...QUICK,
    });
    await plain.start();
    try {
      await done("produce", "t");
      await done("topic", "create", "u");
      const { voters } = await quorumBy(at.clients(1));
      assert(voters[0]!.directoryId !== null, "its directory is known");
    } finally {
      await plain.end();
    }
    const again = await start();
    try {
      assertEquals(await done("consume", "t", "-e", "-f", "%v\\n"), "x\nx\n");
      assertMatch(await done("topic", "list"), /u/);
    } finally {
      await again.stop();
    }
  },
});
