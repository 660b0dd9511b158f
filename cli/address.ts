/**
 * Addresses as people write them for one node. Owns the reading of `HOST:PORT`;
 * resolves nothing.
 *
 * @module
 */
import { UsageError } from "./failure.ts";

const PORT_MAX = 65535;

/** Reads `HOST:PORT`; an IPv6 address is in brackets. */
export function parseNode(text: string): { host: string; port: number } {
  const match = /^(?:\[([^\]]+)\]|([^:\[\]/]+)):(\d{1,5})$/.exec(text);
  const port = Number(match?.[3]);
  if (match === null || port === 0 || port > PORT_MAX) {
    throw new UsageError(
      `Cannot read "${text}" as an address: write HOST:PORT`,
    );
  }
  return { host: match[1] ?? match[2]!, port };
}
