/**
 * UpdateFeatures: hands the levels that features are to have to the controller
 * and answers with what came of it: all or nothing.
 *
 * @module
 */
import { ERRORS } from "../../../core/errors.ts";
import { invariant } from "../../../core/invariant.ts";
import {
  UPDATE_FEATURES,
  type UpdateFeaturesRequest,
  type UpdateFeaturesResponse,
} from "../../wire/57_update_features.ts";
import { type HandlerEntry, handles, type RequestContext } from "../handler.ts";
import type { Services } from "../services.ts";

/** Last version that answers for each feature. */
const RESULTS_VERSION_MAX = 1;

/** The handler of UpdateFeatures. */
export function updateFeaturesHandler(services: Services): HandlerEntry {
  async function handle(
    { featureUpdates, validateOnly }: UpdateFeaturesRequest,
    { apiVersion }: RequestContext,
  ): Promise<UpdateFeaturesResponse> {
    const reply = await services.control({
      type: "updateFeatures",
      featureUpdates,
      validateOnly,
    });
    invariant(reply.type === "updateFeatures", "a reply answers its input");
    const { error, message } = reply.result;
    const hasResults = error === "NONE" && apiVersion <= RESULTS_VERSION_MAX;
    return {
      errorCode: ERRORS[error],
      errorMessage: message,
      results: !hasResults ? [] : featureUpdates.map(({ feature }) => ({
        feature,
        errorCode: 0,
        errorMessage: null,
      })),
    };
  }

  return handles(UPDATE_FEATURES, handle, (_request, errorCode) => ({
    errorCode,
    errorMessage: null,
  }));
}
