/**
 * Frames: the 4-byte size, the header, the body. Owns which header version
 * goes with which API and version; it never opens a socket, and decodes no
 * body that it was not asked for.
 *
 * @module
 */
import { Reader } from "../../core/bytes/reader.ts";
import { Writer } from "../../core/bytes/writer.ts";
import { decode, decodeExact, encodeInto } from "../../core/schema/codec.ts";
import {
  type Decoded,
  includes,
  type Input,
  int16,
  int32,
  type Message,
  message,
  string,
} from "../../core/schema/schema.ts";
import type { Api } from "./api.ts";
import { APIS } from "./api_keys.ts";

/** The client id keeps its int16 length so that any broker can read it. */
export const REQUEST_HEADER = message(
  { name: "RequestHeader", versions: "1-2", flexible: "2+" },
  {
    requestApiKey: int16("0+"),
    requestApiVersion: int16("0+"),
    correlationId: int32("0+"),
    clientId: string("1+", { nullable: "1+", flexible: "none" }),
  },
);

/** Stands before every response. */
export const RESPONSE_HEADER = message(
  { name: "ResponseHeader", versions: "0-1", flexible: "1+" },
  { correlationId: int32("0+") },
);

const API_VERSIONS_KEY = 18;

/** From here on a write of its own costs less than a copy. */
const KEEP_BYTES_MIN = 64 * 1024;

/** What a request's header says, and where its body begins in the frame. */
export interface RequestHeader {
  readonly apiKey: number;
  readonly apiVersion: number;
  readonly correlationId: number;
  readonly clientId: string | null;
  /** −1 for an unknown API, whose header version cannot be known. */
  readonly bodyAt: number;
}

/**
 * Reads the header of a frame, which comes without its size; a
 * {@linkcode Reader} is left at the body. The version may be one that is not
 * served: saying so is the caller's part.
 */
export function decodeRequestHeader(
  frame: Uint8Array | Reader,
): RequestHeader {
  const reader = frame instanceof Reader ? frame : new Reader(frame);
  const apiKey = reader.int16();
  const apiVersion = reader.int16();
  const correlationId = reader.int32();
  const api = APIS.get(apiKey);
  if (api === undefined) {
    return { apiKey, apiVersion, correlationId, clientId: null, bodyAt: -1 };
  }
  reader.position = 0;
  const { clientId } = decode(
    REQUEST_HEADER,
    requestHeaderVersion(api, apiVersion),
    reader,
  );
  return {
    apiKey,
    apiVersion,
    correlationId,
    clientId,
    bodyAt: reader.position,
  };
}

/** What a request's header needs. */
interface RequestHead<Req extends Message> {
  readonly api: Api<Req>;
  readonly version: number;
  readonly correlationId: number;
  readonly clientId: string | null;
}

/** What a response's header needs. */
interface ResponseHead<Res extends Message> {
  readonly api: Api<Message, Res>;
  readonly version: number;
  readonly correlationId: number;
}

/** A request frame with its size. */
export function encodeRequest<Req extends Message>(
  head: RequestHead<Req>,
  body: Input<Req>,
): Uint8Array<ArrayBuffer> {
  const writer = new Writer();
  writeRequest(writer, head, body);
  return writer.view();
}

/**
 * A request frame with its size, as parts to be written one after another.
 * Records of 64 KB and more are views of `body`.
 */
export function encodeRequestParts<Req extends Message>(
  head: RequestHead<Req>,
  body: Input<Req>,
): Uint8Array[] {
  const writer = new Writer(256, { keepFrom: KEEP_BYTES_MIN });
  writeRequest(writer, head, body);
  return writer.parts();
}

/** A response frame with its size. */
export function encodeResponse<Res extends Message>(
  head: ResponseHead<Res>,
  body: Input<Res>,
): Uint8Array<ArrayBuffer> {
  const writer = new Writer();
  writeResponse(writer, head, body);
  return writer.view();
}

/** A writer of answers: large records are kept as views, not copied. */
export function responseWriter(): Writer {
  return new Writer(256, { keepFrom: KEEP_BYTES_MIN });
}

function writeRequest<Req extends Message>(
  writer: Writer,
  { api, version, correlationId, clientId }: RequestHead<Req>,
  body: Input<Req>,
): void {
  writer.reserve(4);
  encodeInto(writer, REQUEST_HEADER, requestHeaderVersion(api, version), {
    requestApiKey: api.key,
    requestApiVersion: version,
    correlationId,
    clientId,
  });
  encodeInto(writer, api.request, version, body);
  writer.patchInt32(0, writer.length - 4);
}

/** Appends a response frame with its size to `writer`. */
export function writeResponse<Res extends Message>(
  writer: Writer,
  { api, version, correlationId }: ResponseHead<Res>,
  body: Input<Res>,
): void {
  const before = writer.length;
  const sizeAt = writer.reserve(4);
  encodeInto(writer, RESPONSE_HEADER, responseHeaderVersion(api, version), {
    correlationId,
  });
  encodeInto(writer, api.response, version, body);
  writer.patchInt32(sizeAt, writer.length - before - 4);
}

/** The correlation id of a response frame, which comes without its size. */
export function correlationIdOf(frame: Uint8Array): number {
  return new Reader(frame).int32();
}

/**
 * Reads a response frame, which comes without its size; throws `DecodeError`
 * when bytes are left over.
 */
export function decodeResponse<Res extends Message>(
  { api, version }: {
    readonly api: Api<Message, Res>;
    readonly version: number;
  },
  frame: Uint8Array,
): { correlationId: number; body: Decoded<Res> } {
  const reader = new Reader(frame);
  const headerVersion = responseHeaderVersion(api, version);
  const { correlationId } = decode(RESPONSE_HEADER, headerVersion, reader);
  return { correlationId, body: decodeExact(api.response, version, reader) };
}

function requestHeaderVersion({ request }: Api, version: number): number {
  return includes(request.flexible, version) ? 2 : 1;
}

/** A client cannot know the version of an ApiVersions answer: always 0. */
function responseHeaderVersion(
  { key, response }: Api,
  version: number,
): number {
  if (key === API_VERSIONS_KEY) return 0;
  return includes(response.flexible, version) ? 1 : 0;
}
