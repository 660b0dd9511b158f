/**
 * ApiVersions (key 18): which APIs a broker serves and in which versions, and
 * its features. The first request of nearly every connection. Version 3
 * brought the client's software name and features (KIP-511, KIP-584), 5 the
 * node that the client meant to reach. The response header is always version
 * 0, and an unknown version is answered in version 0.
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
  int64,
  message,
  string,
} from "../../core/schema/schema.ts";
import { api } from "./api.ts";

/** Schemas of ApiVersions. */
export const API_VERSIONS = api({
  key: 18,
  name: "ApiVersions",
  request: message({
    name: "ApiVersionsRequest",
    versions: "0-5",
    flexible: "3+",
  }, {
    clientSoftwareName: string("3+", { ignorable: true }),
    clientSoftwareVersion: string("3+", { ignorable: true }),
    clusterId: string("5+", { nullable: "5+", default: null, ignorable: true }),
    nodeId: int32("5+", { default: -1, ignorable: true }),
  }),
  response: message({
    name: "ApiVersionsResponse",
    versions: "0-5",
    flexible: "3+",
  }, {
    errorCode: int16("0+"),
    apiKeys: array("0+", {
      apiKey: int16("0+", { mapKey: true }),
      minVersion: int16("0+"),
      maxVersion: int16("0+"),
    }),
    throttleTimeMs: int32("1+", { ignorable: true }),
    supportedFeatures: array("3+", {
      name: string("3+", { mapKey: true }),
      minVersion: int16("3+"),
      maxVersion: int16("3+"),
    }, { tag: 0, ignorable: true }),
    finalizedFeaturesEpoch: int64("3+", {
      default: -1,
      tag: 1,
      ignorable: true,
    }),
    finalizedFeatures: array("3+", {
      name: string("3+", { mapKey: true }),
      maxVersionLevel: int16("3+"),
      minVersionLevel: int16("3+"),
    }, { tag: 2, ignorable: true }),
    zkMigrationReady: bool("3+", { tag: 3, ignorable: true }),
  }),
});

/** A request as a broker reads it. */
export type ApiVersionsRequest = Decoded<typeof API_VERSIONS.request>;

/** A response as a broker writes it. */
export type ApiVersionsResponse = Input<typeof API_VERSIONS.response>;
