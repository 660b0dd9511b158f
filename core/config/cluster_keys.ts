/**
 * The broker keys that say which part a node has in its cluster: roles,
 * listeners of controllers and brokers, the quorum. Owns names, defaults and
 * what each may hold by itself; how they fit together is for
 * whoever reads them.
 *
 * @module
 */
import { int, list, string } from "./key.ts";

const ROLES = ["broker", "controller"] as const;

export const CLUSTER_KEYS = {
  "broker.heartbeat.interval.ms": int(2000, {
    min: 1,
    doc: "How often a broker tells the controller that it lives.",
  }),
  "controller.listener.names": list([], {
    doc: "Listeners at which the quorum and the brokers reach this node's " +
      "controller. Not needed on a node that is alone.",
  }),
  "controller.quorum.voters": list([], {
    doc: "Who votes on the cluster's metadata: ID@HOST:PORT, with the " +
      "addresses of the controllers' listeners. This node alone when empty.",
  }),
  "inter.broker.listener.name": string("PLAINTEXT", {
    doc: "Listener at which brokers reach each other.",
  }),
  "listener.security.protocol.map": list([], {
    doc: "What each listener speaks: NAME:PLAINTEXT. Listeners called " +
      "PLAINTEXT need no entry, nor do controllers' while there is none.",
  }),
  "process.roles": list(ROLES, {
    valid: ROLES,
    doc: "What this node does; both. Kafka has no default.",
  }),
} as const;
