/**
 * An operator in a run of several nodes: moves partitions to other brokers,
 * cancels moves, hands leaderships back to whom they belong. Owns what it asks
 * for, in Kafka's requests; nobody waits for what becomes of it.
 *
 * @module
 */
import { KafkaError } from "../../core/errors.ts";
import type { ClientSeams } from "../../net/client/types.ts";
import { Link } from "../../net/link/link.ts";
import { METADATA } from "../../net/wire/03_metadata.ts";
import { ELECT_LEADERS } from "../../net/wire/43_elect_leaders.ts";
import { ALTER_PARTITION_REASSIGNMENTS } from "../../net/wire/45_alter_partition_reassignments.ts";
import type { SimProcess } from "./process.ts";
import { Actor, type Stage } from "./workload.ts";

const TIMEOUT_MS = 3_000;
const REPLICAS = 3;

/** Moves things about. */
export class MoverActor extends Actor {
  constructor(stage: Stage) {
    super("mover", stage);
  }

  protected override async run(
    process: SimProcess,
    seams: ClientSeams,
  ): Promise<void> {
    const { world, plan } = this.stage;
    while (!this.isAsked) {
      await process.sleep(process.chance.delayMs(plan.movesMs, 4_000));
      if (this.isAsked) break;
      try {
        await this.#move(process, seams);
      } catch (error) {
        if (!(error instanceof KafkaError)) throw error;
        world.scheduler.note(`${process.name} caught ${error.message}`);
      }
    }
  }

  async #move(process: SimProcess, seams: ClientSeams): Promise<void> {
    const { chance } = process;
    const { machines } = this.stage.world;
    const link = await Link.open({
      ...seams,
      address: { host: chance.pick(machines).host, port: 9092 },
      clientId: this.name,
      isAdvertised: false,
      connectTimeoutMs: TIMEOUT_MS,
      requestTimeoutMs: TIMEOUT_MS,
    });
    try {
      if (this.#unclean.length > 0 && chance.odds(0.3)) {
        await this.#electUnclean(link, chance);
      } else if (chance.odds(0.3)) {
        await link.request(ELECT_LEADERS, {
          electionType: 0,
          topicPartitions: null,
          timeoutMs: TIMEOUT_MS,
        });
      } else await this.#reassign(link, process);
    } finally {
      link.close();
    }
  }

  /** Topics of which somebody may lead who isn't in sync. */
  get #unclean() {
    return this.stage.plan.topics.filter(({ isUnclean }) => isUnclean);
  }

  async #electUnclean(link: Link, chance: SimProcess["chance"]) {
    const { name: topic, partitions } = chance.pick(this.#unclean);
    await link.request(ELECT_LEADERS, {
      electionType: 1,
      topicPartitions: [{
        topic,
        partitions: Array.from({ length: partitions }, (_, i) => i),
      }],
      timeoutMs: TIMEOUT_MS,
    });
  }

  async #reassign(link: Link, { chance }: SimProcess): Promise<void> {
    const { topics } = await link.request(METADATA, { topics: null });
    const topic = chance.pick(topics.filter(({ name }) => name !== null));
    if (topic === undefined) return;
    const { partitionIndex } = chance.pick(topic.partitions);
    const replicas = this.#someNodes(chance);
    this.stage.world.scheduler.note(
      `${topic.name}-${partitionIndex} is to be on ${replicas.join()}`,
    );
    await link.request(ALTER_PARTITION_REASSIGNMENTS, {
      timeoutMs: TIMEOUT_MS,
      topics: [{
        name: topic.name!,
        partitions: [{
          partitionIndex,
          replicas: chance.odds(0.1) ? null : replicas,
        }],
      }],
    });
  }

  /** As many as promises need, at times one more, in any order. */
  #someNodes(chance: SimProcess["chance"]): number[] {
    const nodes = this.stage.world.machines.map(({ nodeId }) => nodeId);
    const count = REPLICAS + (chance.odds(0.2) ? 1 : 0);
    const chosen: number[] = [];
    while (chosen.length < count && nodes.length > 0) {
      chosen.push(...nodes.splice(chance.int(0, nodes.length - 1), 1));
    }
    return chosen;
  }
}
