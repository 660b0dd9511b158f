/**
 * `kf topic describe`.
 *
 * @module
 */
import type { Admin, TopicDescription } from "../../net/client.ts";
import { unique, withAdmin } from "../cluster.ts";
import type { Call } from "../command.ts";
import { printAnswer, throwFailed } from "../output.ts";

/** Runs `kf topic describe`. */
export async function run({ args, settings }: Call): Promise<void> {
  const [all, offsets] = await withAdmin(settings, async (admin) => {
    const described = await admin.describeTopics(unique(args));
    return [described, await listEnds(admin, described)] as const;
  });
  const found = all.filter(({ error }) => error === undefined);
  const topics = found.map(({ name, topicId, isInternal, partitions }) => ({
    name,
    topicId,
    isInternal,
    partitions: partitions.map((info) => ({
      partition: info.partition,
      leader: info.leader,
      leaderEpoch: info.leaderEpoch,
      replicas: info.replicas,
      isr: info.isr,
      startOffset: offsets.first.get(`${name}-${info.partition}`) ?? null,
      endOffset: offsets.end.get(`${name}-${info.partition}`) ?? null,
    })),
  }));
  await printAnswer({
    json: topics,
    columns: [
      "topic",
      "partition",
      "leader",
      "replicas",
      "isr",
      "start",
      "end",
    ],
    rows: topics.flatMap((topic) =>
      topic.partitions.map((info) => [
        topic.name,
        info.partition,
        info.leader,
        info.replicas.join(","),
        info.isr.join(","),
        info.startOffset,
        info.endOffset,
      ])
    ),
  }, settings);
  throwFailed(all, "describe topic");
}

async function listEnds(admin: Admin, topics: readonly TopicDescription[]) {
  const led = topics.flatMap(({ partitions }) => partitions)
    .filter(({ leader }) => leader >= 0)
    .map(({ topic, partition }) => ({ topic, partition }));
  const list = async (spec: "earliest" | "latest") => {
    const listed = led.length === 0 ? [] : await admin.listOffsets(led, spec);
    return new Map(
      listed.filter(({ error }) => error === undefined)
        .map((at) => [`${at.topic}-${at.partition}`, at.offset]),
    );
  };
  return { first: await list("earliest"), end: await list("latest") };
}
