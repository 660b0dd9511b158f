/**
 * Commands that start a broker.
 *
 * @module
 */
import type { CommandSpec, FlagSpec } from "../command.ts";

const PORT: FlagSpec = {
  name: "port",
  value: "PORT|auto",
  brief: "port to listen on; auto takes a free one (default 9092)",
};
const DATA: FlagSpec = {
  name: "data",
  value: "DIR",
  completes: "file",
  brief: "the data folder",
};
const READY_FD: FlagSpec = {
  name: "ready-fd",
  value: "N",
  brief: "write READY HOST:PORT to this file descriptor once it can be used",
};

const HTTP: FlagSpec = {
  name: "http",
  value: "HOST:PORT|off",
  brief: "serve /healthz, /readyz, /metrics (default a free loopback port)",
};

/** In the order of the help. */
export const SERVERS: readonly CommandSpec[] = [
  {
    path: "dev",
    summary: "start a broker to try things on, and remove it at the end",
    script: "kafka-storage.sh format, then kafka-server-start.sh",
    flags: [
      {
        name: "nodes",
        short: "n",
        value: "N",
        brief: "so many brokers, which are one cluster (default 1)",
      },
      { ...DATA, brief: "keep the data here instead of a temporary folder" },
      PORT,
      HTTP,
      READY_FD,
    ],
    examples: [
      { line: "kf dev", does: "a broker on localhost:9092" },
      { line: "kf dev --port auto", does: "on any free port" },
      {
        line: "kf dev -n 3 --data ./d",
        does: "three brokers from port 9092 on, with a folder each in ./d",
      },
    ],
    load: () => import("../commands/dev.ts"),
  },
  {
    path: "tour",
    summary:
      "see three brokers lose their leader and nothing else, in two minutes",
    flags: [
      { name: "no-pause", brief: "give no time to read; so off a terminal" },
    ],
    more:
      "It starts three brokers in a temporary folder, kills one, brings it back, and holds what is read against what was acknowledged. Everything is removed at the end, after Ctrl-C, too.",
    examples: [
      { line: "kf tour", does: "Enter goes on before its time" },
      { line: "kf tour --no-pause", does: "exit 0 when nothing was lost" },
    ],
    load: () => import("../commands/tour.ts"),
  },
  {
    path: "broker",
    summary: "start a broker",
    script: "kafka-server-start.sh",
    flags: [
      {
        name: "config",
        value: "FILE",
        completes: "file",
        brief: "read Kafka's server.properties",
      },
      { ...DATA, brief: "the data folder (default ./kf-data)" },
      {
        name: "listen",
        value: "HOST:PORT",
        brief: "where to listen (default localhost:9092)",
      },
      {
        name: "advertise",
        value: "HOST:PORT",
        brief: "the address that clients are told to use",
      },
      { name: "node-id", value: "N", brief: "the node's id in the cluster" },
      {
        name: "join",
        value: "HOST:PORT",
        brief:
          "join the running cluster of that node, as a broker; the data folder keeps what it learns",
      },
      {
        name: "cluster-id",
        value: "ID",
        brief: "the cluster that a new data folder belongs to",
      },
      {
        name: "initial-controllers",
        value: "LIST",
        brief:
          "who votes in a new cluster, ID@HOST:PORT:DIRECTORY with commas; for the first start only",
      },
      HTTP,
      READY_FD,
    ],
    examples: [
      { line: "kf broker", does: "listen on localhost:9092, keep ./kf-data" },
      {
        line: "kf broker --data /var/lib/kf --listen 0.0.0.0:9092",
        does: "listen on every address",
      },
      {
        line: "kf broker --join kf1:9092 --listen kf4:9092 --data d4",
        does: "one more broker; later starts of d4 need no --join",
      },
      {
        line: "kf broker --config server.properties -X num.partitions=3",
        does: "with Kafka's own configuration",
      },
    ],
    load: () => import("../commands/broker.ts"),
  },
];
