/**
 * DescribeLogDirs: the data folder and the size of each partition in it.
 * Owns the answer's shape; the sizes are the logs' own.
 *
 * @module
 */
import {
  DESCRIBE_LOG_DIRS,
  type DescribeLogDirsRequest,
  type DescribeLogDirsResponse,
} from "../../wire/35_describe_log_dirs.ts";
import { type HandlerEntry, handles } from "../handler.ts";
import type { HostedPartition } from "../hosted_partition.ts";
import { dataPath, isFolderCordoned } from "../node_folder.ts";
import type { Services } from "../services.ts";

/** The handler of DescribeLogDirs. */
export function describeLogDirsHandler(services: Services): HandlerEntry {
  function chosen(
    { topics }: DescribeLogDirsRequest,
  ): Iterable<HostedPartition> {
    const { partitions } = services;
    if (topics === null) return partitions.all();
    return topics.flatMap(({ topic, partitions: indexes }) =>
      indexes.flatMap((index) => partitions.get(topic, index) ?? [])
    );
  }

  function handle(request: DescribeLogDirsRequest): DescribeLogDirsResponse {
    const { config } = services;
    const byTopic = new Map<string, HostedPartition[]>();
    for (const hosted of chosen(request)) {
      const known = byTopic.get(hosted.topic);
      if (known === undefined) byTopic.set(hosted.topic, [hosted]);
      else known.push(hosted);
    }
    return {
      errorCode: 0,
      results: [{
        errorCode: 0,
        logDir: dataPath(config),
        isCordoned: isFolderCordoned(config),
        topics: [...byTopic].map(([name, hosted]) => ({
          name,
          partitions: hosted.map(({ index, partition }) => ({
            partitionIndex: index,
            partitionSize: partition.log.sizeInBytes,
            // Of a current log; only one that is being moved lags behind.
            offsetLag: 0,
            isFutureKey: false,
          })),
        })),
      }],
    };
  }

  return handles(DESCRIBE_LOG_DIRS, handle, (_request, errorCode) => ({
    errorCode,
    results: [],
  }));
}
