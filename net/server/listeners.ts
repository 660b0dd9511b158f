/**
 * The sockets of a node: bound at once, so that a taken port is found out
 * first; opened and closed by kind, so that the quorum is served before
 * clients are and after. Owns the acceptors and the bound that they share.
 *
 * @module
 */
import type { Env } from "../../core/env/env.ts";
import type { Listener, Transport } from "../tcp/transport.ts";
import { type AcceptLimits, Acceptor } from "./acceptor.ts";
import type { ConnectionOptions, OnFrame } from "./connection.ts";
import type { BoundListener, ListenerPlan } from "./listener.ts";

/** Whose listeners are meant. */
export type ListenerKind = "clients" | "controllers";

/** What {@linkcode Listeners} are made of. */
export interface ListenersOptions {
  readonly env: Env;
  readonly transport: Transport;
  readonly plans: readonly ListenerPlan[];
  /** Of all listeners together. */
  readonly limits: () => AcceptLimits;
  readonly connection: Omit<ConnectionOptions, "onFrame">;
}

/**
 * All listeners of a node.
 *
 * Invariants:
 * 1. A listener that is bound has an acceptor once it was opened, for good.
 */
export class Listeners {
  readonly bound: readonly BoundListener[];
  readonly acceptors = new Map<string, Acceptor>();
  readonly #options: ListenersOptions;
  readonly #sockets = new Map<string, Listener>();

  /** Binds them all, or none. */
  constructor(options: ListenersOptions) {
    const { transport, plans } = options;
    this.#options = options;
    try {
      this.bound = plans.map((plan) => {
        const socket = transport.listen(plan.bind);
        this.#sockets.set(plan.name, socket);
        return { ...plan, address: socket.address };
      });
    } catch (error) {
      this.close();
      throw error;
    }
  }

  /** Begins to accept. */
  open(kind: ListenerKind, onFrameOf: (listener: string) => OnFrame): void {
    const { env, connection } = this.#options;
    for (const { name } of this.#of(kind)) {
      const acceptor = new Acceptor({
        env,
        listener: this.#sockets.get(name)!,
        limits: () => this.#limitsOf(name),
        connection: { ...connection, onFrame: onFrameOf(name) },
      });
      this.acceptors.set(name, acceptor);
      acceptor.start();
    }
  }

  /**
   * Stops accepting, lets connections answer what they read, closes them;
   * `release` is called in between.
   */
  async stop(kind: ListenerKind, release: () => void): Promise<void> {
    const stopping = this.#of(kind)
      .map(({ name }) => this.acceptors.get(name)?.stop(() => {}));
    release();
    await Promise.all(stopping);
  }

  /** Gives every port back. Idempotent. */
  close(): void {
    for (const socket of this.#sockets.values()) socket.close();
  }

  #of(kind: ListenerKind): BoundListener[] {
    return this.bound.filter(({ isController }) =>
      isController === (kind === "controllers")
    );
  }

  #limitsOf(name: string): AcceptLimits {
    const limits = this.#options.limits();
    let openElsewhere = 0;
    for (const [other, { openCount }] of this.acceptors) {
      if (other !== name) openElsewhere += openCount;
    }
    return {
      ...limits,
      connectionsMax: limits.connectionsMax - openElsewhere,
    };
  }
}
