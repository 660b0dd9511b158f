/**
 * DescribeUserScramCredentials: which mechanisms users have credentials of.
 * Owns the answer's shape; it reads the image and must never tell a salt or a
 * key.
 *
 * @module
 */
import { ERRORS } from "../../../core/errors.ts";
import { duplicates } from "../../../core/metadata/topics.ts";
import {
  DESCRIBE_USER_SCRAM_CREDENTIALS,
  type DescribeUserScramCredentialsRequest,
  type DescribeUserScramCredentialsResponse,
} from "../../wire/50_describe_user_scram_credentials.ts";
import { type HandlerEntry, handles } from "../handler.ts";
import type { Services } from "../services.ts";

/** The handler of DescribeUserScramCredentials. */
export function describeUserScramCredentialsHandler(
  { image }: Services,
): HandlerEntry {
  function describe(user: string) {
    const credentials = image.scramCredentials.get(user);
    if (credentials === undefined) {
      return failed(user, {
        errorCode: ERRORS.RESOURCE_NOT_FOUND,
        errorMessage: `User "${user}" has no SCRAM credentials`,
      });
    }
    return {
      user,
      errorCode: 0,
      errorMessage: null,
      credentialInfos: Array.from(
        credentials,
        ([mechanism, { iterations }]) => ({ mechanism, iterations }),
      ),
    };
  }

  function handle(
    { users }: DescribeUserScramCredentialsRequest,
  ): DescribeUserScramCredentialsResponse {
    const names = (users ?? []).map(({ name }) => name);
    const twice = duplicates(names);
    const asked = names.length === 0 ? image.scramCredentials.keys() : names;
    return {
      errorCode: 0,
      errorMessage: null,
      results: Array.from(
        new Set(asked),
        (user) =>
          twice.has(user)
            ? failed(user, {
              errorCode: ERRORS.DUPLICATE_RESOURCE,
              errorMessage:
                `User "${user}" stands more than once in the request`,
            })
            : describe(user),
      ),
    };
  }

  return handles(
    DESCRIBE_USER_SCRAM_CREDENTIALS,
    handle,
    (_request, errorCode) => ({ errorCode, errorMessage: null, results: [] }),
  );
}

function failed(
  user: string,
  error: { readonly errorCode: number; readonly errorMessage: string },
) {
  return { user, ...error, credentialInfos: [] };
}
