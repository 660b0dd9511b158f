/**
 * Which broker coordinates one group: looked up when asked for, forgotten when
 * an error says that it moved or is gone. Owns the node id, no request.
 *
 * @module
 */
import type { KafkaError } from "../../core/errors.ts";
import type { Cluster } from "./cluster.ts";
import { findCoordinator } from "./offsets.ts";

/** A group's coordinator. */
export class Coordinator {
  readonly #cluster: Cluster;
  readonly #groupId: string;
  #nodeId: number | undefined;

  constructor(cluster: Cluster, groupId: string) {
    this.#cluster = cluster;
    this.#groupId = groupId;
  }

  /** Its node id, looked up when unknown. */
  async nodeId(): Promise<number> {
    return this.#nodeId ??= await findCoordinator(
      this.#cluster,
      this.#groupId,
    );
  }

  /** Takes note of a request's error; says whether it is to be found anew. */
  noteError({ error }: KafkaError): boolean {
    switch (error) {
      case "NOT_COORDINATOR":
      case "COORDINATOR_NOT_AVAILABLE":
      case "NETWORK_EXCEPTION":
      case "REQUEST_TIMED_OUT":
      case "BROKER_NOT_AVAILABLE":
        this.#nodeId = undefined;
        return true;
    }
    return false;
  }
}
