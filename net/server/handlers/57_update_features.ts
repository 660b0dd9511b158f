/**
 * UpdateFeatures: hands the levels that features are to have to the controller
 * and answers with what came of it: all or nothing.
 *
 * @module
 */
import { ERRORS } from "../../../core/errors.ts";
import { KRAFT_VERSION } from "../../../core/metadata/features.ts";
import { invariant } from "../../../core/invariant.ts";
import {
  UPDATE_FEATURES,
  type UpdateFeaturesRequest,
  type UpdateFeaturesResponse,
} from "../../wire/57_update_features.ts";
import type { ChangeAnswer } from "../../raft/voter_admin.ts";
import { type HandlerEntry, handles, type RequestContext } from "../handler.ts";
import type { Services } from "../services.ts";

type FeatureUpdate = UpdateFeaturesRequest["featureUpdates"][number];

/** Last version that answers for each feature. */
const RESULTS_VERSION_MAX = 1;

/** The handler of UpdateFeatures. */
export function updateFeaturesHandler(services: Services): HandlerEntry {
  /** Who votes depends on kraft.version, so that the quorum keeps it. */
  async function updateQuorum(
    { maxVersionLevel }: FeatureUpdate,
    isDryRun: boolean,
  ): Promise<ChangeAnswer> {
    const { quorum } = services;
    const answer = await quorum.admin.upgrade(maxVersionLevel, { isDryRun });
    return answer.error === "NOT_LEADER_OR_FOLLOWER"
      ? { ...answer, error: "NOT_CONTROLLER" }
      : answer;
  }

  async function handle(
    { featureUpdates, validateOnly }: UpdateFeaturesRequest,
    { apiVersion }: RequestContext,
  ): Promise<UpdateFeaturesResponse> {
    const others = featureUpdates.filter(({ feature }) =>
      feature !== KRAFT_VERSION
    );
    const ofQuorum = featureUpdates
      .findLast(({ feature }) => feature === KRAFT_VERSION);
    let answer: ChangeAnswer = { error: "NONE", message: null };
    if (ofQuorum !== undefined) answer = await updateQuorum(ofQuorum, true);
    if (answer.error === "NONE" && (others.length > 0 || !ofQuorum)) {
      const reply = await services.control({
        type: "updateFeatures",
        featureUpdates: others,
        validateOnly,
      });
      invariant(reply.type === "updateFeatures", "a reply answers its input");
      answer = reply.result;
    }
    if (answer.error === "NONE" && ofQuorum !== undefined && !validateOnly) {
      answer = await updateQuorum(ofQuorum, false);
    }
    const { error, message } = answer;
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
