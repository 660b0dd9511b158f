/**
 * The way to the active controller: through its handlers when it is in this
 * process, else over one link. Owns that link, and trying again while the
 * controller moves or can't be reached; it must never give up quietly, nor
 * decide what a refusal means for whoever asked.
 *
 * @module
 */
import type { Env } from "../../core/env/env.ts";
import { ERRORS, KafkaError, messageOf } from "../../core/errors.ts";
import type { Decoded, Input, Message } from "../../core/schema/schema.ts";
import type { Link } from "../link/link.ts";
import { LinkError } from "../link/link_error.ts";
import type { Address } from "../tcp/transport.ts";
import type { Api } from "../wire/api.ts";

/** What a {@linkcode ControllerChannel} is made of. */
export interface ControllerChannelOptions {
  readonly env: Pick<Env, "clock" | "random" | "trace">;
  /** Where the active controller is now; undefined while nobody knows. */
  readonly controller: () => "here" | Address | undefined;
  /** Asks the controller of this process. */
  readonly askHere: <Req extends Message, Res extends Message>(
    api: Api<Req, Res>,
    body: Input<Req>,
  ) => Promise<Decoded<Res>>;
  readonly connect: (address: Address) => Promise<Link>;
}

/** Options of one request. */
export interface ChannelRequestOptions<Answer> {
  /** How long to try. */
  readonly timeoutMs?: number;
  /** Whether who answered isn't the controller; by its top-level error if absent. */
  readonly isMisdirected?: (answer: Answer) => boolean;
}

const TIMEOUT_MS = 30_000;
const BACKOFF_MS = 20;
const BACKOFF_MS_MAX = 500;
/** How long a controller that was deposed may take to answer. */
const GRACE_MS = 500;
/** How often operators are told that the controller can't be reached. */
const TELL_MS = 5_000;

/**
 * Requests to whoever is the controller.
 *
 * Invariants:
 * 1. There is one link at most, and it leads to the controller as last known.
 */
export class ControllerChannel {
  readonly #options: ControllerChannelOptions;
  readonly #closed = new AbortController();
  #link: Promise<Link> | undefined;
  #linkAddress: Address | undefined;
  /** Since when nothing was reached; undefined while it is. */
  #unreachedSinceMs: number | undefined;
  #toldMs = 0;

  constructor(options: ControllerChannelOptions) {
    this.#options = options;
  }

  /** Whether the active controller is in this process. */
  get isHere(): boolean {
    return this.#options.controller() === "here";
  }

  get isClosed(): boolean {
    return this.#closed.signal.aborted;
  }

  /**
   * Asks the active controller. Rejects with `REQUEST_TIMED_OUT` when it was
   * not reached in time; what the controller refuses is in its answer.
   */
  async request<Req extends Message, Res extends Message>(
    api: Api<Req, Res>,
    body: Input<Req>,
    options: ChannelRequestOptions<Decoded<Res>> = {},
  ): Promise<Decoded<Res>> {
    const { clock, random } = this.#options.env;
    const { timeoutMs = TIMEOUT_MS, isMisdirected = isNotController } = options;
    const deadlineMs = clock.monoMs() + timeoutMs;
    for (
      let waitMs = BACKOFF_MS;;
      waitMs = Math.min(waitMs * 2, BACKOFF_MS_MAX)
    ) {
      let why: unknown;
      try {
        const answer = await this.#ask(api, body, deadlineMs - clock.monoMs());
        if (!isMisdirected(answer)) {
          this.#reached();
          return answer;
        }
        why = new KafkaError("NOT_CONTROLLER", "the controller has moved");
      } catch (error) {
        if (!isPassing(error)) throw error;
        why = error;
      }
      this.#notReached(why);
      const jitter = 1 + random.u32() / 2 ** 32;
      if (clock.monoMs() + waitMs * jitter >= deadlineMs) {
        throw unreached(api, why);
      }
      await this.#sleep(waitMs * jitter, api);
    }
  }

  /** Another one may lead: whoever waits for the one before asks anew, soon. */
  moved(): void {
    const controller = this.#options.controller();
    if (controller === undefined || this.#leadsTo(controller)) return;
    this.#drop();
  }

  /** Ends the link; whoever waits is refused. */
  close(): void {
    this.#closed.abort();
    this.#drop();
  }

  async #ask<Req extends Message, Res extends Message>(
    api: Api<Req, Res>,
    body: Input<Req>,
    timeoutMs: number,
  ): Promise<Decoded<Res>> {
    const controller = this.#options.controller();
    if (controller === undefined) {
      throw new KafkaError("NOT_CONTROLLER", "the quorum has no leader");
    }
    if (controller === "here") return this.#options.askHere(api, body);
    const link = await this.#linkTo(controller);
    return link.request(api, body, { timeoutMs: Math.max(1, timeoutMs) });
  }

  async #linkTo(address: Address): Promise<Link> {
    if (!this.#leadsTo(address)) this.#drop();
    this.#linkAddress = address;
    const opening = this.#link ??= this.#options.connect(address);
    try {
      const link = await opening;
      if (link.error === undefined) return link;
      throw link.error;
    } catch (error) {
      if (this.#link === opening) this.#link = undefined;
      throw error;
    }
  }

  #leadsTo(controller: "here" | Address): boolean {
    return controller !== "here" &&
      this.#linkAddress?.host === controller.host &&
      this.#linkAddress.port === controller.port;
  }

  /** What it was asked may be decided, and the answer on its way. */
  #drop(): void {
    const { clock } = this.#options.env;
    this.#link?.then(async (link) => {
      const isWaiting = link.inFlight > 0 && !this.isClosed;
      if (isWaiting) {
        await clock.sleep(GRACE_MS, this.#closed.signal).catch(() => {});
      }
      link.close();
    }, () => {});
    this.#link = undefined;
    this.#linkAddress = undefined;
  }

  async #sleep(ms: number, api: Api): Promise<void> {
    try {
      await this.#options.env.clock.sleep(ms, this.#closed.signal);
    } catch {
      throw unreached(api, new Error("this node stops"));
    }
  }

  #reached(): void {
    if (this.#unreachedSinceMs === undefined) return;
    const { trace } = this.#options.env;
    if (this.#toldMs > this.#unreachedSinceMs) {
      trace("info", "The controller is reached again");
    }
    this.#unreachedSinceMs = undefined;
  }

  #notReached(why: unknown): void {
    const { clock, trace } = this.#options.env;
    const nowMs = clock.monoMs();
    this.#unreachedSinceMs ??= nowMs;
    const sinceMs = Math.max(this.#unreachedSinceMs, this.#toldMs);
    if (nowMs - sinceMs < TELL_MS) return;
    this.#toldMs = nowMs;
    trace(
      "warn",
      "The controller can't be reached: see that a majority of " +
        "controller.quorum.voters runs and that this node reaches them",
      {
        reason: messageOf(why),
        seconds: Math.round((nowMs - this.#unreachedSinceMs) / 1000),
      },
    );
  }
}

function isNotController(answer: object): boolean {
  return "errorCode" in answer && answer.errorCode === ERRORS.NOT_CONTROLLER;
}

/** Whether another attempt may go better. */
function isPassing(error: unknown): boolean {
  if (error instanceof LinkError) return true;
  return error instanceof KafkaError && error.error === "NOT_CONTROLLER";
}

function unreached(api: Api, why: unknown): KafkaError {
  return new KafkaError(
    "REQUEST_TIMED_OUT",
    `Cannot send ${api.name} to the controller: ${messageOf(why)}`,
  );
}
