/**
 * Which broker coordinates one group or transactional id: looked up when asked
 * for, forgotten when an error says that it moved or is gone. Owns the node id,
 * no request.
 *
 * @module
 */
import type { KafkaError } from "../../core/errors.ts";
import type { Cluster } from "./cluster.ts";
import { type Coordinated, findCoordinator } from "./offsets.ts";

/** A group's coordinator, or another kind of key's. */
export class Coordinator {
  readonly #cluster: Cluster;
  readonly #key: string;
  readonly #kind: Coordinated;
  #nodeId: number | undefined;

  constructor(
    cluster: Cluster,
    key: string,
    { kind = "group" }: { readonly kind?: Coordinated } = {},
  ) {
    this.#cluster = cluster;
    this.#key = key;
    this.#kind = kind;
  }

  /** Its node id, looked up when unknown. */
  async nodeId(): Promise<number> {
    return this.#nodeId ??= await findCoordinator(
      this.#cluster,
      this.#key,
      { kind: this.#kind },
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
