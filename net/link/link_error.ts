/**
 * The error of a connection that could not be made or did not last. Owns the
 * words for each step; must never hide the cause.
 *
 * @module
 */
import { KafkaError } from "../../core/errors.ts";

/** Which step failed. */
export type LinkStep =
  | "dns"
  | "tcp"
  | "timeout"
  | "protocol"
  | "advertised"
  | "closed";

/** A connection failure: retriable, and it names the step. */
export class LinkError extends KafkaError {
  constructor(
    readonly step: LinkStep,
    message: string,
    options?: ErrorOptions & { readonly isLate?: boolean },
  ) {
    super(
      step === "timeout" || options?.isLate
        ? "REQUEST_TIMED_OUT"
        : "NETWORK_EXCEPTION",
      message,
      options,
    );
  }
}
