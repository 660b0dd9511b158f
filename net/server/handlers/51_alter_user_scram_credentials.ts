/**
 * AlterUserScramCredentials: makes the keys that prove a password from the
 * salted one (RFC 5802), hands them to the controller and answers with what
 * came of each user. The salted password itself must go no further.
 *
 * @module
 */
import { ERRORS } from "../../../core/errors.ts";
import type { ScramUpsertion } from "../../../core/metadata/controller.ts";
import { SCRAM_HASHES } from "../../../core/metadata/scram.ts";
import {
  ALTER_USER_SCRAM_CREDENTIALS,
  type AlterUserScramCredentialsRequest,
  type AlterUserScramCredentialsResponse,
} from "../../wire/51_alter_user_scram_credentials.ts";
import { type HandlerEntry, handles } from "../handler.ts";
import type { Services } from "../services.ts";

type Asked = AlterUserScramCredentialsRequest["upsertions"][number];

const TEXT = new TextEncoder();
const CLIENT_KEY = TEXT.encode("Client Key");
const SERVER_KEY = TEXT.encode("Server Key");

/** The handler of AlterUserScramCredentials. */
export function alterUserScramCredentialsHandler(
  services: Services,
): HandlerEntry {
  const { hashes } = services.env;

  async function keysOf(mechanism: number, key: Uint8Array) {
    const hash = SCRAM_HASHES.get(mechanism);
    // What has no keys is refused by the controller.
    if (hash === undefined || key.length === 0) {
      return { storedKey: new Uint8Array(0), serverKey: new Uint8Array(0) };
    }
    const clientKey = await hashes.hmac(hash, { key, bytes: CLIENT_KEY });
    return {
      storedKey: await hashes.digest(hash, clientKey),
      serverKey: await hashes.hmac(hash, { key, bytes: SERVER_KEY }),
    };
  }

  async function upsertion(
    { name, mechanism, iterations, salt, saltedPassword }: Asked,
  ): Promise<ScramUpsertion> {
    // Copies: the request's bytes may be gone once this has waited.
    const own = { name, mechanism, iterations, salt: salt.slice() };
    return { ...own, ...await keysOf(mechanism, saltedPassword.slice()) };
  }

  async function handle(
    { deletions, upsertions }: AlterUserScramCredentialsRequest,
  ): Promise<AlterUserScramCredentialsResponse> {
    const reply = await services.control({
      type: "alterUserScramCredentials",
      deletions,
      upsertions: await Promise.all(upsertions.map(upsertion)),
    });
    const results = reply.type === "alterUserScramCredentials"
      ? reply.results
      : [];
    return {
      results: results.map(({ user, error, message }) => ({
        user,
        errorCode: ERRORS[error],
        errorMessage: message,
      })),
    };
  }

  return handles(
    ALTER_USER_SCRAM_CREDENTIALS,
    handle,
    ({ deletions, upsertions }, errorCode) => {
      const users = new Set(
        [...deletions, ...upsertions].map(({ name }) => name),
      );
      return {
        results: Array.from(users, (user) => ({
          user,
          errorCode,
          errorMessage: null,
        })),
      };
    },
  );
}
