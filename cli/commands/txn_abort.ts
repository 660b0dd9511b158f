/**
 * `kf txn abort`: ends a transaction that its producer does not: the one of a
 * transactional id by fencing the producer, or one that hangs in a partition,
 * since its coordinator has forgotten it, by a marker there.
 *
 * @module
 */
import type {
  HangingTransaction,
  ProducerDescription,
  TopicPartition,
} from "../../net/client.ts";
import { withAdmin } from "../cluster.ts";
import type { Call } from "../command.ts";
import { confirm, requireAnswer } from "../confirm.ts";
import { UsageError } from "../failure.ts";
import { printAnswer, say, throwFailed } from "../output.ts";
import type { Settings } from "../settings.ts";
import { parseCount, parseTopicPartition } from "../units.ts";

/** Runs `kf txn abort`. */
export async function run(call: Call): Promise<void> {
  const { flags, args } = call;
  const at = flags.text("hanging");
  const start = flags.text("start-offset");
  if ((at === undefined) !== (start === undefined)) {
    throw new UsageError("Cannot use one of --hanging, --start-offset alone");
  }
  if ((at === undefined) === (args.length === 0)) {
    throw new UsageError(
      "Cannot tell what to abort: name one id, or --hanging and --start-offset",
    );
  }
  if (at === undefined) await abortOf(call, args[0]!);
  else {
    await abortHanging(call, parseTopicPartition(at), {
      startOffset: parseCount(start!, { name: "an offset" }),
    });
  }
}

/** Nothing of an id without a transaction is aborted: its producer may live. */
async function abortOf(call: Call, id: string): Promise<void> {
  const { flags, settings } = call;
  const isDry = flags.has("dry-run");
  const question =
    `Abort the transaction of "${id}", and fence the producer that uses it?`;
  if (!isDry) requireAnswer(call, question);
  const [found] = await withAdmin(
    settings,
    (admin) => admin.describeTransactions([id]),
  );
  throwFailed([found!], "abort the transaction of");
  if (found!.state !== "Ongoing") {
    throw new Error(
      `Cannot abort the transaction of "${id}": none is open, its state is ${
        found!.state
      }`,
    );
  }
  if (!isDry && !await confirm(call, question)) {
    return say("nothing aborted", settings);
  }
  if (!isDry) {
    throwFailed(
      await withAdmin(settings, (admin) => admin.fenceProducers([id])),
      "abort the transaction of",
    );
  }
  await answer(settings, {
    transactionalId: id,
    producerId: found!.producerId,
    partitions: found!.partitions,
    isAborted: !isDry,
  });
}

async function abortHanging(
  call: Call,
  at: TopicPartition,
  { startOffset }: { readonly startOffset: number },
): Promise<void> {
  const { flags, settings } = call;
  const isDry = flags.has("dry-run");
  const where = `${at.topic}-${at.partition}`;
  const question =
    `Abort the transaction that begins at offset ${startOffset} of ${where}, behind its coordinator's back?`;
  if (!isDry) requireAnswer(call, question);
  const hanging = await withAdmin(settings, async (admin) => {
    const producers = await admin.describeProducers(at);
    const found = producers.find((each) =>
      each.transactionStartOffset === startOffset
    );
    return found && { ...at, ...found };
  });
  if (hanging === undefined) {
    throw new Error(
      `Cannot abort: no open transaction begins at offset ${startOffset} of ${where}. See kf txn describe --producers ${at.topic}:${at.partition}`,
    );
  }
  if (!isDry && !await confirm(call, question)) {
    return say("nothing aborted", settings);
  }
  if (!isDry) await writeMarker(settings, hanging);
  await answer(settings, {
    transactionalId: null,
    producerId: hanging.producerId,
    partitions: [at],
    isAborted: !isDry,
  });
}

function writeMarker(
  settings: Settings,
  { topic, partition, producerId, producerEpoch, coordinatorEpoch }:
    & TopicPartition
    & ProducerDescription,
): Promise<void> {
  const hanging: HangingTransaction = {
    topic,
    partition,
    producerId,
    producerEpoch,
    // A producer without any marker yet has no coordinator to be older than.
    coordinatorEpoch: Math.max(0, coordinatorEpoch),
  };
  return withAdmin(settings, (admin) => admin.abortTransaction(hanging));
}

async function answer(
  settings: Settings,
  { transactionalId, producerId, partitions, isAborted }: {
    readonly transactionalId: string | null;
    readonly producerId: number;
    readonly partitions: readonly TopicPartition[];
    readonly isAborted: boolean;
  },
): Promise<void> {
  await printAnswer({
    json: { transactionalId, producerId, partitions, aborted: isAborted },
    columns: ["transactional id", "producer", "partitions", "outcome"],
    rows: [[
      transactionalId,
      producerId,
      partitions.map(({ topic, partition }) => `${topic}-${partition}`)
        .join(" ") || null,
      isAborted ? "aborted" : "would be aborted",
    ]],
  }, settings);
}
