/**
 * The broker keys that say which part a node has in its cluster: roles,
 * listeners of controllers and brokers, the quorum. Owns names, defaults and
 * what each may hold by itself; how they fit together is for
 * whoever reads them.
 *
 * @module
 */
import { bool, int, list, long, string } from "./key.ts";

const ROLES = ["broker", "controller"] as const;

export const CLUSTER_KEYS = {
  "auto.leader.rebalance.enable": bool(true, {
    doc: "Whether preferred replicas lead again, by and by, once they are in " +
      "sync.",
  }),
  "broker.heartbeat.interval.ms": int(2000, {
    min: 1,
    doc: "How often a broker tells the controller that it lives.",
  }),
  "controller.listener.names": list([], {
    doc: "Listeners at which the quorum and the brokers reach this node's " +
      "controller; on a node without one, what the controllers call theirs. " +
      "Not needed on a node that is alone.",
  }),
  "controller.quorum.auto.join.enable": bool(false, {
    doc:
      "Whether a controller that doesn't vote yet asks to, once it follows " +
      "the metadata.",
  }),
  "controller.quorum.bootstrap.servers": list([], {
    doc: "Controllers' listeners, HOST:PORT, of whom a node that isn't told " +
      "who votes asks who leads.",
  }),
  "controller.quorum.election.backoff.max.ms": int(1000, {
    min: 0,
    doc: "How long the voter that is least in favour waits to stand once a " +
      "leader has stepped down.",
  }),
  "controller.quorum.election.timeout.ms": int(1000, {
    min: 1,
    doc: "A voter that knows no leader stands after this long, up to twice " +
      "of it.",
  }),
  "controller.quorum.fetch.timeout.ms": int(2000, {
    min: 1,
    doc: "A voter whose leader has not answered for this long stands; a " +
      "leader that no majority has asked for half as long again steps down.",
  }),
  "controller.quorum.request.timeout.ms": int(2000, {
    min: 1,
    doc: "How long an answer of another member of the quorum may take.",
  }),
  "controller.quorum.voters": list([], {
    doc: "Who votes on the cluster's metadata: ID@HOST:PORT, with the " +
      "addresses of the controllers' listeners. This node alone when empty.",
  }),
  "inter.broker.listener.name": string("PLAINTEXT", {
    doc: "Listener at which brokers reach each other.",
  }),
  "kf.cluster.id": string(null, {
    doc: "The cluster that a new data folder belongs to, and an old one must " +
      "belong to. Kafka has no such key: its folders are formatted first.",
  }),
  "kf.initial.controllers": list([], {
    doc: "Who votes first, ID@HOST:PORT:DIRECTORY, where a new data folder " +
      "begins: the directory is the id of that node's folder. Only for the " +
      "first start. Kafka has no such key: its folders are formatted first.",
  }),
  "listener.security.protocol.map": list([], {
    doc: "What each listener speaks: NAME:PLAINTEXT. Listeners called " +
      "PLAINTEXT need no entry, nor do controllers' while there is none.",
  }),
  "leader.imbalance.check.interval.seconds": int(300, {
    min: 1,
    doc: "How often the controller looks for partitions that their preferred " +
      "replica could lead.",
  }),
  "process.roles": list(ROLES, {
    valid: ROLES,
    doc: "What this node does: it is a broker, votes on the metadata as a " +
      "controller, or both. Kafka has no default.",
  }),
  "metadata.max.idle.interval.ms": int(500, {
    min: 0,
    doc: "How often the active controller writes a record that says nothing, " +
      "so that whoever follows keeps pace; 0: never. A node that nobody " +
      "follows writes none.",
  }),
  "unclean.leader.election.interval.ms": long(300000, {
    min: 1,
    doc: "How often the controller looks for partitions without leader whose " +
      "topic has unclean.leader.election.enable.",
  }),
} as const;
