/**
 * Accepts connections and keeps count of them: limits in total and per
 * address, idle time-out by one sweep, draining at the end. Owns the set of
 * connections; one connection's failure must never end the accepting.
 *
 * @module
 */
import type { Cancel, Env } from "../../core/env/env.ts";
import { LIMITS } from "../../core/limits.ts";
import type { Connection, Listener } from "../tcp/transport.ts";
import { ClientConnection, type ConnectionOptions } from "./connection.ts";

const SWEEP_MS_MAX = 30_000;
const SWEEP_MS_MIN = 20;
/** How long draining connections may take to send what they owe. */
const DRAIN_MS = 5_000;

/** Limits that may change while the broker runs. */
export interface AcceptLimits {
  readonly connectionsMax: number;
  readonly connectionsPerIpMax: number;
  readonly idleMs: number;
}

/** What an {@linkcode Acceptor} is made of. */
export interface AcceptorOptions {
  readonly env: Env;
  readonly listener: Listener;
  readonly limits: () => AcceptLimits;
  readonly connection: ConnectionOptions;
}

/**
 * The accept loop of one listener.
 *
 * Invariants:
 * 1. Every accepted connection is in the set until it is closed.
 * 2. The sweep's timer runs only while accepting.
 */
export class Acceptor {
  readonly #options: AcceptorOptions;
  readonly #connections = new Set<ClientConnection>();
  readonly #perIp = new Map<string, number>();
  #accepted = 0;
  #cancelSweep: Cancel | undefined;
  #isStopped = false;
  #onEmpty: (() => void) | undefined;

  constructor(options: AcceptorOptions) {
    this.#options = options;
  }

  /** Connections that are open. */
  get openCount(): number {
    return this.#connections.size;
  }

  /** Connections that were ever taken. */
  get acceptedCount(): number {
    return this.#accepted;
  }

  /** Begins to accept. */
  start(): void {
    this.#scheduleSweep();
    this.#options.env.tasks.spawn("accept connections", () => this.#accept());
  }

  /**
   * Stops accepting, lets connections answer what they read, closes them.
   * `release` is called in between: whatever is parked should answer then.
   */
  async stop(release: () => void): Promise<void> {
    this.#isStopped = true;
    this.#options.listener.close();
    this.#cancelSweep?.();
    for (const connection of [...this.#connections]) connection.drain();
    release();
    if (this.#connections.size === 0) return;
    const { clock } = this.#options.env;
    await new Promise<void>((resolve) => {
      const cancel = clock.timer(DRAIN_MS, () => this.#closeAll());
      this.#onEmpty = () => {
        cancel();
        resolve();
      };
    });
  }

  #closeAll(): void {
    for (const connection of [...this.#connections]) {
      connection.close("the broker stops");
    }
  }

  async #accept(): Promise<void> {
    for (;;) {
      const connection = await this.#options.listener.accept();
      if (connection === null) return;
      if (this.#isStopped) connection.close();
      else this.#take(connection);
    }
  }

  #take(raw: Connection): void {
    const { env, limits, connection: options } = this.#options;
    const { host } = raw.remote;
    const { connectionsMax, connectionsPerIpMax } = limits();
    const ofIp = this.#perIp.get(host) ?? 0;
    if (
      this.#connections.size >= connectionsMax || ofIp >= connectionsPerIpMax
    ) {
      raw.close();
      env.trace("warn", "A connection was refused: too many are open", {
        remote: host,
        open: this.#connections.size,
        openFromAddress: ofIp,
      });
      return;
    }
    const connection = new ClientConnection(raw, options);
    this.#connections.add(connection);
    this.#accepted++;
    this.#perIp.set(host, ofIp + 1);
    env.tasks.spawn("serve a connection", async () => {
      try {
        await connection.run();
      } finally {
        this.#forget(connection, host);
      }
    });
  }

  #forget(connection: ClientConnection, host: string): void {
    const left = (this.#perIp.get(host) ?? 1) - 1;
    if (left === 0) this.#perIp.delete(host);
    else this.#perIp.set(host, left);
    this.#connections.delete(connection);
    if (this.#connections.size === 0) this.#onEmpty?.();
  }

  #scheduleSweep(): void {
    const { env, limits } = this.#options;
    const ms = Math.min(
      SWEEP_MS_MAX,
      Math.max(SWEEP_MS_MIN, limits().idleMs / 4),
    );
    this.#cancelSweep = env.clock.timer(ms, () => {
      this.#sweep();
      if (!this.#isStopped) this.#scheduleSweep();
    });
  }

  #sweep(): void {
    const { env, limits } = this.#options;
    const nowMs = env.clock.monoMs();
    const idleSinceMs = nowMs - limits().idleMs;
    const stalledSinceMs = nowMs - LIMITS.frameStallMsMax;
    for (const connection of [...this.#connections]) {
      if (connection.isIdleSince(idleSinceMs)) connection.close("it was idle");
      else if (connection.isStalledSince(stalledSinceMs)) {
        connection.close("it sent half a frame");
      }
    }
  }
}
