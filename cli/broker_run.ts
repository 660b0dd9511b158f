/**
 * A broker in the foreground: start, one line with the address, wait for a
 * signal, stop gracefully. It knows nothing of how a broker works.
 *
 * @module
 */
import { say } from "./output.ts";
import type { Settings } from "./settings.ts";
import { printErr, takeInterrupts } from "./terminal.ts";

/** Runs a broker until a signal comes. */
export async function runBroker(
  config: ReadonlyMap<string, string>,
  options: { settings: Settings; hint?: (address: string) => string },
): Promise<void> {
  const { settings, hint } = options;
  const { startBroker } = await import("../net/broker.ts");
  warnOfOpenBind(config.get("listeners") ?? "", settings);
  const interrupts = takeInterrupts();
  const ended = Promise.withResolvers<void>();
  interrupts.signal.addEventListener("abort", () => ended.resolve());
  // It may fail while nobody awaits it yet: while the broker starts.
  ended.promise.catch(() => {});
  try {
    const broker = await startBroker({
      config,
      onFatal: ended.reject,
      traceLevel: settings.isVerbose
        ? "debug"
        : settings.isQuiet
        ? "error"
        : "info",
    });
    printErr(`kf: broker ready on ${broker.address}\n`);
    if (hint !== undefined && !settings.isQuiet) {
      printErr(hint(broker.address));
    }
    try {
      await ended.promise;
    } catch (error) {
      // What failed is the disk: a stop that fails too says nothing more.
      await broker.stop().catch(() => {});
      throw error;
    }
    say("stopping; once more to abort", settings);
    await broker.stop();
  } finally {
    interrupts.release();
  }
}

/** Nobody is asked for a password, so that an open port is worth a word. */
function warnOfOpenBind(listeners: string, settings: Settings): void {
  for (const listener of listeners.split(",")) {
    const match = /^\w+:\/\/(?:\[([^\]]*)\]|([^:]*)):/.exec(listener.trim());
    const host = match?.[1] ?? match?.[2] ?? "";
    if (isLoopback(host)) continue;
    const where = host === "" ? "every address" : host;
    say(
      `warning: listening on ${where} without authentication: whoever reaches it can read and write`,
      settings,
    );
  }
}

function isLoopback(host: string): boolean {
  return host === "localhost" || host === "::1" || /^127\./.test(host);
}
