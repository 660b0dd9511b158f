/**
 * Makes a controller known to the active one, and so to all: its features, and
 * where it is reached. Owns one request in flight at most, and trying again; it
 * must never hold up a quorum whose metadata.version knows no registrations.
 *
 * @module
 */
import type { Cancel, Env } from "../../core/env/env.ts";
import { errorName, KafkaError } from "../../core/errors.ts";
import type { MetadataImage } from "../../core/metadata/image.ts";
import {
  CONTROLLER_REGISTRATION,
  type ControllerRegistrationRequest,
} from "../wire/70_controller_registration.ts";
import type { ControllerChannel } from "./controller_channel.ts";

/** What a {@linkcode ControllerRegistrar} is made of. */
export interface ControllerRegistrarOptions {
  readonly env: Pick<Env, "clock" | "tasks" | "trace">;
  readonly channel: Pick<ControllerChannel, "request">;
  readonly image: MetadataImage;
  /** What the controller says of itself. */
  readonly registration: ControllerRegistrationRequest;
}

/** How soon a registration that was refused is tried again. */
const RETRY_MS = 500;

/**
 * One controller's registration.
 *
 * Invariants:
 * 1. One request is in flight at most, and none once it was answered well.
 */
export class ControllerRegistrar {
  readonly #options: ControllerRegistrarOptions;
  readonly #known = Promise.withResolvers<void>();
  #state: "unsent" | "sent" | "registered" | "needless" = "unsent";
  #cancelTimer: Cancel | undefined;
  #isEnded = false;

  constructor(options: ControllerRegistrarOptions) {
    this.#options = options;
    // Not everybody waits for it.
    this.#known.promise.catch(() => {});
  }

  /** Resolves when the image holds it or never will; rejects at `end()`. */
  start(): Promise<void> {
    this.changed({ hasFeatureChanges: false });
    return this.#known.promise;
  }

  /** The image has changed. */
  changed(
    { hasFeatureChanges }: { readonly hasFeatureChanges: boolean },
  ): void {
    const { image, registration, env: { tasks } } = this.#options;
    const known = image.controllers.get(registration.controllerId);
    if (known?.incarnationId === registration.incarnationId) {
      return this.#known.resolve();
    }
    const isNeeded = this.#state === "unsent" ||
      this.#state === "needless" && hasFeatureChanges;
    if (!isNeeded || this.#isEnded) return;
    this.#state = "sent";
    tasks.spawn("controller registration", () => this.#send());
  }

  /** No more requests; whoever waits is refused. */
  end(): void {
    this.#isEnded = true;
    this.#cancelTimer?.();
    this.#known.reject(new Error("The controller stops"));
  }

  async #send(): Promise<void> {
    const { env: { clock, trace } } = this.#options;
    const refusal = await this.#ask();
    if (this.#isEnded) return;
    if (refusal === undefined) {
      this.#state = "registered";
      this.changed({ hasFeatureChanges: false });
    } else if (refusal === "UNSUPPORTED_VERSION") {
      // Of an older metadata.version, until that is raised.
      this.#state = "needless";
      this.#known.resolve();
    } else {
      trace("warn", "The active controller doesn't register this one yet", {
        reason: refusal,
      });
      this.#cancelTimer = clock.timer(RETRY_MS, () => {
        this.#state = "unsent";
        this.changed({ hasFeatureChanges: false });
      });
    }
  }

  /** Undefined when it is registered, else why not. */
  async #ask(): Promise<string | undefined> {
    const { channel, registration } = this.#options;
    try {
      const { errorCode } = await channel.request(
        CONTROLLER_REGISTRATION,
        registration,
      );
      return errorCode === 0 ? undefined : errorName(errorCode);
    } catch (error) {
      if (error instanceof KafkaError) return error.message;
      throw error;
    }
  }
}
