/**
 * What an API is: a key, a name, and the schemas of its request and response.
 * Owns the type only; the table of all APIs is `api_keys.ts`.
 *
 * @module
 */
import type { Message, Versions } from "../../core/schema/schema.ts";

/** One API of Kafka's protocol. */
export interface Api<
  Req extends Message = Message,
  Res extends Message = Message,
> {
  /** The number on the wire. */
  readonly key: number;
  /** Kafka's name, e.g. `"Produce"`. */
  readonly name: string;
  readonly request: Req;
  readonly response: Res;
  /** Versions that are served and sent. */
  readonly versions: Versions;
  /** Versions that a broker announces in ApiVersions. */
  readonly advertised: Versions;
}

/** Defines an API; `advertiseMin` announces older versions than are served. */
export function api<const Req extends Message, const Res extends Message>(
  { key, name, request, response, advertiseMin }: {
    readonly key: number;
    readonly name: string;
    readonly request: Req;
    readonly response: Res;
    readonly advertiseMin?: number;
  },
): Api<Req, Res> {
  const versions = request.versions;
  const min = advertiseMin ?? versions.min;
  const advertised = { min, max: versions.max };
  return { key, name, request, response, versions, advertised };
}
