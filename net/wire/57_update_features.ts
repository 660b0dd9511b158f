/**
 * UpdateFeatures (key 57): raises, lowers and removes finalized features (KIP-584). Sent
 * by kafka-features. Version 1 tells upgrade from downgrade and can validate only
 * (KIP-778), 2 answers once for all.
 *
 * @module
 */
import {
  array,
  bool,
  type Decoded,
  type Input,
  int16,
  int32,
  int8,
  message,
  string,
} from "../../core/schema/schema.ts";
import { api } from "./api.ts";

/** Schemas of UpdateFeatures. */
export const UPDATE_FEATURES = api({
  key: 57,
  name: "UpdateFeatures",
  request: message({
    name: "UpdateFeaturesRequest",
    versions: "0-2",
    flexible: "0+",
  }, {
    timeoutMs: int32("0+", { default: 60000 }),
    featureUpdates: array("0+", {
      feature: string("0+", { mapKey: true }),
      maxVersionLevel: int16("0+"),
      allowDowngrade: bool("0"),
      upgradeType: int8("1+", { default: 1 }),
    }),
    validateOnly: bool("1+"),
  }),
  response: message({
    name: "UpdateFeaturesResponse",
    versions: "0-2",
    flexible: "0+",
  }, {
    throttleTimeMs: int32("0+"),
    errorCode: int16("0+"),
    errorMessage: string("0+", { nullable: "0+" }),
    results: array("0-1", {
      feature: string("0+", { mapKey: true }),
      errorCode: int16("0+"),
      errorMessage: string("0+", { nullable: "0+" }),
    }, { ignorable: true }),
  }),
});

/** A request as a broker reads it. */
export type UpdateFeaturesRequest = Decoded<typeof UPDATE_FEATURES.request>;

/** A response as a broker writes it. */
export type UpdateFeaturesResponse = Input<typeof UPDATE_FEATURES.response>;
