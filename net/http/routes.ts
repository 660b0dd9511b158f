/**
 * What a broker tells over HTTP: that its process is up, and whether it can
 * serve. Owns the paths and the wording; it must never change anything of the
 * broker.
 *
 * @module
 */
import type { HttpAnswer, Routes } from "./server.ts";

/** A broker, as the routes see it. */
export interface Observed {
  /** Why clients can't be served; undefined while they can. */
  notReady(): string | undefined;
}

/** The routes of a broker. */
export function brokerRoutes(broker: Observed): Routes {
  return new Map<string, () => HttpAnswer>([
    ["/healthz", () => ({ status: 200, body: "ok\n" })],
    ["/readyz", () => {
      const reason = broker.notReady();
      return reason === undefined
        ? { status: 200, body: "ok\n" }
        : { status: 503, body: `Not ready: ${reason}\n` };
    }],
  ]);
}
