/**
 * Envelope: a client's request that another broker passed on. Answered by the
 * handler of what is inside, as if the client had asked here; only the active
 * controller opens one.
 *
 * @module
 */
import { ERRORS, KafkaError } from "../../../core/errors.ts";
import { ipText } from "../../metadata/forwarding.ts";
import type { Address } from "../../tcp/transport.ts";
import {
  ENVELOPE,
  type EnvelopeRequest,
  type EnvelopeResponse,
} from "../../wire/58_envelope.ts";
import { type HandlerEntry, handles } from "../handler.ts";

/** What opens envelopes. */
export interface EnvelopeOpener {
  /** Whether the active controller is here. */
  isActive(): boolean;
  /** Answers the request in `frame`; neither has its size before it. */
  unwrap(frame: Uint8Array, client: Address): Promise<Uint8Array>;
}

/** The handler of Envelope. */
export function envelopeHandler(opener: EnvelopeOpener): HandlerEntry {
  async function handle(
    { requestData, clientHostAddress }: EnvelopeRequest,
  ): Promise<EnvelopeResponse> {
    if (!opener.isActive()) return { errorCode: ERRORS.NOT_CONTROLLER };
    const { length } = clientHostAddress;
    if (length !== 4 && length !== 16) {
      throw new KafkaError(
        "INVALID_REQUEST",
        `Cannot read a client's address of ${length} bytes`,
      );
    }
    const client = { host: ipText(clientHostAddress), port: 0 };
    const responseData = await opener.unwrap(requestData, client);
    return { responseData, errorCode: ERRORS.NONE };
  }

  return handles(ENVELOPE, handle);
}
