/**
 * DescribeClientQuotas: the quotas that match a filter. Owns the answer's
 * shape; it reads the image.
 *
 * @module
 */
import { ERRORS, KafkaError } from "../../../core/errors.ts";
import { findClientQuotas } from "../../../core/metadata/client_quotas.ts";
import {
  DESCRIBE_CLIENT_QUOTAS,
  type DescribeClientQuotasRequest,
  type DescribeClientQuotasResponse,
} from "../../wire/48_describe_client_quotas.ts";
import { type HandlerEntry, handles } from "../handler.ts";
import type { Services } from "../services.ts";

/** The handler of DescribeClientQuotas. */
export function describeClientQuotasHandler(
  { image }: Services,
): HandlerEntry {
  function handle(
    request: DescribeClientQuotasRequest,
  ): DescribeClientQuotasResponse {
    try {
      return {
        errorCode: 0,
        errorMessage: null,
        entries: findClientQuotas(image, request).map((
          { entity, values },
        ) => ({
          entity,
          values: Array.from(values, ([key, value]) => ({ key, value })),
        })),
      };
    } catch (error) {
      // Escaped, it would lose its words.
      if (!(error instanceof KafkaError)) throw error;
      return {
        errorCode: ERRORS[error.error],
        errorMessage: error.message,
        entries: null,
      };
    }
  }

  return handles(DESCRIBE_CLIENT_QUOTAS, handle, (_request, errorCode) => ({
    errorCode,
    errorMessage: null,
    entries: null,
  }));
}
