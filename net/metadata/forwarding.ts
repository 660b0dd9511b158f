/**
 * Clients' requests on their way to the active controller, and back: what an
 * envelope says besides the request. Owns the client's address and name in it;
 * never looks into a request.
 *
 * @module
 */
import { errorName, ERRORS, KafkaError } from "../../core/errors.ts";
import { ENVELOPE } from "../wire/58_envelope.ts";
import type { ControllerChannel } from "./controller_channel.ts";

const IPV4_BYTES = 4;
const IPV6_BYTES = 16;

/** `User:ANONYMOUS`, as Kafka's brokers say who a client without login is. */
const ANONYMOUS: Uint8Array = new TextEncoder()
  .encode("\0\0\x05User\x0aANONYMOUS\0\0");

/**
 * Passes a client's frame on; resolves with the answer's frame. Neither has
 * its size before it.
 */
export async function forward(
  channel: ControllerChannel,
  { frame, host }: { readonly frame: Uint8Array; readonly host: string },
): Promise<Uint8Array> {
  const { errorCode, responseData } = await channel.request(ENVELOPE, {
    requestData: frame,
    requestPrincipal: ANONYMOUS,
    clientHostAddress: ipBytes(host),
  });
  if (errorCode === ERRORS.NONE && responseData !== null) return responseData;
  throw new KafkaError(
    errorCode === ERRORS.NONE ? "UNKNOWN_SERVER_ERROR" : errorName(errorCode),
    `The controller refused a request: ${errorName(errorCode)}`,
  );
}

/** The bytes of an IP address; of any other text those of 0.0.0.0. */
function ipBytes(host: string): Uint8Array {
  const dotted = /(?:^|:)(\d+)\.(\d+)\.(\d+)\.(\d+)$/.exec(host);
  const v4 = dotted?.slice(1).map(Number) ?? [];
  if (!host.includes(":")) {
    return Uint8Array.from({ length: IPV4_BYTES }, (_, i) => v4[i] ?? 0);
  }
  const text = dotted === null ? host : host.slice(0, dotted.index + 1);
  const [head = [], tail = []] = text.replace(/%.*$/, "").split("::").map(
    (half) =>
      half.split(":").filter((group) => group !== "").flatMap((group) => {
        const value = parseInt(group, 16);
        return [value >> 8 & 0xff, value & 0xff];
      }),
  );
  const bytes = new Uint8Array(IPV6_BYTES);
  bytes.set(head.slice(0, IPV6_BYTES));
  const end = [...tail, ...v4].slice(-IPV6_BYTES);
  bytes.set(end, IPV6_BYTES - end.length);
  return bytes;
}

/** The text of an IP address. */
export function ipText(bytes: Uint8Array): string {
  if (bytes.length !== IPV6_BYTES) return bytes.join(".");
  const groups = Array.from(
    { length: IPV6_BYTES / 2 },
    (_, i) => (bytes[2 * i]! << 8 | bytes[2 * i + 1]!).toString(16),
  );
  return groups.join(":");
}
