/**
 * A broker in the foreground: start, one line with the address, wait for a
 * signal, stop gracefully. It knows nothing of how a broker works.
 *
 * @module
 */
import type { RunningBroker, StartBrokerOptions } from "../net/broker.ts";
import { say } from "./output.ts";
import type { Flags } from "./command.ts";
import type { Settings } from "./settings.ts";
import { openDescriptor, printErr, takeInterrupts } from "./terminal.ts";
import { parseCount } from "./units.ts";

/** The broker key of `--http`. */
export const HTTP_KEY = "kf.http.listener";
/** Where HTTP is served unless somebody says otherwise. */
export const HTTP_DEFAULT = "127.0.0.1:0";

type Entry = typeof import("../net/broker.ts");

/** How {@linkcode runBroker} runs a broker. */
export interface RunBrokerOptions {
  readonly settings: Settings;
  /** Starts it; a broker of `config` when absent. */
  readonly start?: (
    entry: Entry,
    options: StartBrokerOptions,
  ) => Promise<RunningBroker>;
  /** What is ready then; a broker when absent. */
  readonly what?: string;
  /** The flags that every command which runs a broker takes. */
  readonly flags: Flags;
  /** What is said when it is ready. */
  readonly hint?: (address: string) => string;
}

/** Runs a broker until a signal comes. */
export async function runBroker(
  config: ReadonlyMap<string, string>,
  options: RunBrokerOptions,
): Promise<void> {
  const { settings, flags, hint, what = "broker" } = options;
  const start = options.start ??
    ((entry: Entry, given: StartBrokerOptions) => entry.startBroker(given));
  const readyFd = flags.parsed(
    "ready-fd",
    (text) => parseCount(text, { name: "a file descriptor", max: 0xffff }),
  );
  // Looked at before the broker starts: a wrong number should cost nothing.
  const ready = readyFd === undefined ? undefined : openDescriptor(readyFd);
  const entry = await import("../net/broker.ts");
  const listeners = config.get("listeners");
  if (listeners !== undefined) warnOfOpenBind(listeners, settings);
  warnOfOpenHttp(config.get(HTTP_KEY) ?? "off", settings);
  const interrupts = takeInterrupts();
  const ended = Promise.withResolvers<void>();
  interrupts.signal.addEventListener("abort", () => ended.resolve());
  // It may fail while nobody awaits it yet: while the broker starts.
  ended.promise.catch(() => {});
  let isStarted = false;
  try {
    const broker = await start(entry, {
      config,
      onFatal: ended.reject,
      signal: interrupts.signal,
      traceLevel: settings.isVerbose
        ? "debug"
        : settings.isQuiet
        ? "error"
        : "info",
    });
    isStarted = true;
    try {
      ready?.writeLast(`READY ${broker.address}\n`);
      say(`${what} ready on ${broker.address}`, settings);
      if (broker.httpAddress !== undefined) {
        say(
          `health and metrics on http://${broker.httpAddress}`,
          settings,
        );
      }
      if (hint !== undefined && !settings.isQuiet) {
        printErr(hint(broker.address));
      }
      await ended.promise;
    } catch (error) {
      // What failed comes first: a stop that fails too says nothing more.
      await broker.stop().catch(() => {});
      throw error;
    }
    say("stopping; once more to abort", settings);
    await broker.stop();
  } catch (error) {
    // A start that waits for other nodes is ended by a signal: as asked.
    if (!interrupts.signal.aborted || isStarted) throw error;
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

/** Topics' names and numbers are nobody's business, and nobody is asked. */
function warnOfOpenHttp(listener: string, settings: Settings): void {
  const match = /^(?:\[(.*)\]|(.*)):\d+$/.exec(listener);
  const host = match?.[1] ?? match?.[2];
  if (host === undefined || isLoopback(host)) return;
  say(
    `warning: HTTP on ${host} tells whoever reaches it how the broker is`,
    settings,
  );
}

function isLoopback(host: string): boolean {
  return host === "localhost" || host === "::1" || /^127\./.test(host);
}
