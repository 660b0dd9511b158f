/**
 * What a broker tells over HTTP: that its process is up, whether it can serve,
 * and what it measures. Owns the paths and the wording; it must never change anything of the
 * broker.
 *
 * @module
 */
import { expose, type Metric } from "./exposition.ts";
import type { Route, Routes } from "./server.ts";

/** A broker, as the routes see it. */
export interface Observed {
  /** Why clients can't be served; undefined while they can. */
  notReady(): string | undefined;
  /** All that it measures, now. */
  metrics(): Metric[];
}

/** The routes of a broker. */
export function brokerRoutes(broker: Observed): Routes {
  return new Map<string, Route>([
    [
      "/metrics",
      ({ accept }) => ({ status: 200, ...expose(broker.metrics(), accept) }),
    ],
    ["/healthz", () => ({ status: 200, body: "ok\n" })],
    ["/readyz", () => {
      const reason = broker.notReady();
      return reason === undefined
        ? { status: 200, body: "ok\n" }
        : { status: 503, body: `Not ready: ${reason}\n` };
    }],
  ]);
}
