/**
 * Requests of a group's members that arrive when their generation is over, as
 * behind a connection that lost packets for long. Owns what comes late. It must
 * never matter to a group: what it commits is of a topic that nobody reads, for
 * a coordinator that lost the newer generation may take it.
 *
 * @module
 */
import { errorName, KafkaError } from "../../core/errors.ts";
import type { ClientSeams } from "../../net/client/types.ts";
import { Link } from "../../net/link/link.ts";
import { OFFSET_COMMIT } from "../../net/wire/08_offset_commit.ts";
import { HEARTBEAT } from "../../net/wire/12_heartbeat.ts";
import { CONSUMER_GROUP_DESCRIBE } from "../../net/wire/69_consumer_group_describe.ts";
import type { GroupPlan } from "./plan.ts";
import type { SimProcess } from "./process.ts";
import { Actor, type Stage } from "./workload.ts";
import { CLIENT_PORT } from "./world.ts";

const TIMEOUT_MS = 3_000;
/** What no generation that is over may be told. */
const TAKEN: readonly string[] = ["NONE", "REBALANCE_IN_PROGRESS"];

/** Who a member was: in a consumer group, generations are its epochs. */
interface Former {
  readonly memberId: string;
  readonly generationId: number;
}

/** Repeats what members of one group would have said a generation ago. */
export class StragglerActor extends Actor {
  readonly #groupId: string;
  readonly #isClassic: boolean;
  /** In which generation each member was last seen. */
  readonly #seen = new Map<string, number>();

  constructor({ id, configs }: GroupPlan, stage: Stage) {
    super(`late of ${id}`, stage);
    this.#groupId = id;
    this.#isClassic = configs["group.protocol"] === "classic";
  }

  protected override async run(
    process: SimProcess,
    seams: ClientSeams,
  ): Promise<void> {
    const { scheduler } = this.stage.world;
    while (!this.isAsked) {
      await process.sleep(process.chance.delayMs(150, 2_000));
      try {
        await this.#round(process, seams);
      } catch (error) {
        if (!(error instanceof KafkaError)) throw error;
        scheduler.note(`${process.name} caught ${error.message}`);
      }
    }
  }

  async #round(process: SimProcess, seams: ClientSeams): Promise<void> {
    const link = await Link.open({
      ...seams,
      address: { host: this.stage.world.machines[0]!.host, port: CLIENT_PORT },
      clientId: this.name,
      isAdvertised: false,
      connectTimeoutMs: TIMEOUT_MS,
      requestTimeoutMs: TIMEOUT_MS,
    });
    try {
      const now = this.#isClassic
        ? this.#classicMembers()
        : await this.#consumerMembers(link);
      const former = this.#note(now);
      if (former === undefined) return;
      const isBeat = this.#isClassic && process.chance.odds(0.5);
      await this.#repeat(former, { link, isBeat });
    } finally {
      link.close();
    }
  }

  /** A member whose generation went by since it was last looked at. */
  #note(now: readonly Former[]): Former | undefined {
    let former: Former | undefined;
    for (const { memberId, generationId } of now) {
      const before = this.#seen.get(memberId) ?? generationId;
      this.#seen.set(memberId, generationId);
      if (before >= generationId || before < 1) continue;
      former = { memberId, generationId: before };
    }
    return former;
  }

  /** Nothing that a client may ask tells a classic group's generation. */
  #classicMembers(): Former[] {
    const group = this.stage.world.watcher.classic(this.#groupId);
    return Array.from(
      group?.members.keys() ?? [],
      (memberId) => ({ memberId, generationId: group!.generation }),
    );
  }

  async #consumerMembers(link: Link): Promise<Former[]> {
    const { groups } = await link.request(CONSUMER_GROUP_DESCRIBE, {
      groupIds: [this.#groupId],
    });
    return groups.flatMap(({ members }) => members ?? [])
      .map(({ memberId, memberEpoch: generationId }) => ({
        memberId,
        generationId,
      }));
  }

  async #repeat(
    former: Former,
    { link, isBeat }: { readonly link: Link; readonly isBeat: boolean },
  ): Promise<void> {
    const { world } = this.stage;
    const { disk, endsMs } = world.machines[0]!;
    const ends = endsMs.length;
    const code = isBeat
      ? await this.#beat(link, former)
      : await this.#commit(link, former);
    const error = errorName(code);
    const { memberId, generationId } = former;
    const said = `${isBeat ? "heartbeat" : "commit"} of ${memberId} in ` +
      `generation ${generationId} of ${this.#groupId}, which is over: ${error}`;
    world.scheduler.note(said);
    // Who began anew may know no newer generation.
    const isSame = endsMs.length === ends && !disk.hasFailed;
    if (isSame && TAKEN.includes(error)) world.defect(said);
  }

  async #beat(link: Link, former: Former): Promise<number> {
    const beat = { groupId: this.#groupId, ...former };
    return (await link.request(HEARTBEAT, beat)).errorCode;
  }

  async #commit(
    link: Link,
    { memberId, generationId }: Former,
  ): Promise<number> {
    const { topics } = await link.request(OFFSET_COMMIT, {
      groupId: this.#groupId,
      memberId,
      generationIdOrMemberEpoch: generationId,
      topics: [{
        name: "__consumer_offsets",
        partitions: [{ partitionIndex: 0, committedOffset: 0 }],
      }],
    }, { versionMax: 9 });
    return topics[0]!.partitions[0]!.errorCode;
  }
}
