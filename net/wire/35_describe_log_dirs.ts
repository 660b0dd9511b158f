/**
 * DescribeLogDirs (key 35): the broker's log folders and the size of each replica in
 * them. Sent by kafka-log-dirs. Version 3 brought the error code, 4 the volume's size,
 * 5 cordoned folders.
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

/** Schemas of DescribeLogDirs. */
export const DESCRIBE_LOG_DIRS = api({
  key: 35,
  name: "DescribeLogDirs",
  request: message({
    name: "DescribeLogDirsRequest",
    versions: "1-5",
    flexible: "2+",
  }, {
    topics: array("0+", {
      topic: string("0+", { mapKey: true }),
      partitions: array("0+", int32()),
    }, { nullable: "0+" }),
  }),
  response: message({
    name: "DescribeLogDirsResponse",
    versions: "1-5",
    flexible: "2+",
  }, {
    throttleTimeMs: int32("0+"),
    errorCode: int16("3+", { ignorable: true }),
    results: array("0+", {
      errorCode: int16("0+"),
      logDir: string("0+"),
      topics: array("0+", {
        name: string("0+"),
        partitions: array("0+", {
          partitionIndex: int32("0+"),
          partitionSize: int64("0+"),
          offsetLag: int64("0+"),
          isFutureKey: bool("0+"),
        }),
      }),
      totalBytes: int64("4+", { default: -1, ignorable: true }),
      usableBytes: int64("4+", { default: -1, ignorable: true }),
      isCordoned: bool("5+", { default: false, ignorable: true }),
    }),
  }),
});

/** A request as a broker reads it. */
export type DescribeLogDirsRequest = Decoded<typeof DESCRIBE_LOG_DIRS.request>;

/** A response as a broker writes it. */
export type DescribeLogDirsResponse = Input<typeof DESCRIBE_LOG_DIRS.response>;
