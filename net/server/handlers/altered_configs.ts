/**
 * What AlterConfigs and IncrementalAlterConfigs answer of each resource: the
 * two requests differ, their responses don't. Decides nothing.
 *
 * @module
 */
import type { AlteredConfigs } from "../../../core/metadata/controller.ts";
import { ERRORS } from "../../../core/errors.ts";

interface Resource {
  readonly resourceType: number;
  readonly resourceName: string;
}

/** What came of each. */
export function alteredResponse(resources: readonly AlteredConfigs[]) {
  return {
    responses: resources.map(
      ({ resourceType, resourceName, error, message }) => ({
        errorCode: ERRORS[error],
        errorMessage: message,
        resourceType,
        resourceName,
      }),
    ),
  };
}

/** The same error for each. */
export function refusedResponse(
  { resources }: { readonly resources: readonly Resource[] },
  errorCode: number,
) {
  return {
    responses: resources.map(({ resourceType, resourceName }) => ({
      errorCode,
      errorMessage: null,
      resourceType,
      resourceName,
    })),
  };
}
