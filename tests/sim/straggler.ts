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
import type { SimProcess } from "./process.ts";
import { Actor, type Stage } from "./workload.ts";
import { CLIENT_PORT } from "./world.ts";

const TIMEOUT_MS = 3_000;
/** What no generation that is over may be told. */
const TAKEN: readonly string[] = ["NONE", "REBALANCE_IN_PROGRESS"];

/** Who a member was. */
interface Former {
  readonly groupId: string;
  readonly memberId: string;
  readonly generationId: number;
}

/** Repeats what members of one group would have said a generation ago. */
export class StragglerActor extends Actor {
  readonly #groupId: string;
  /** In which generation each member was last seen. */
  readonly #seen = new Map<string, number>();

  constructor(groupId: string, stage: Stage) {
    super(`late of ${groupId}`, stage);
    this.#groupId = groupId;
  }

  protected override async run(
    process: SimProcess,
    seams: ClientSeams,
  ): Promise<void> {
    const { world } = this.stage;
    while (!this.isAsked) {
      await process.sleep(process.chance.delayMs(150, 2_000));
      const former = this.#look();
      if (former === undefined) continue;
      try {
        await this.#repeat(former, { process, seams });
      } catch (error) {
        if (!(error instanceof KafkaError)) throw error;
        world.scheduler.note(`${process.name} caught ${error.message}`);
      }
    }
  }

  /** A member whose generation went by since it was last looked at. */
  #look(): Former | undefined {
    const groupId = this.#groupId;
    const group = this.stage.world.watcher.classic(groupId)?.group;
    if (group === undefined) return undefined;
    let former: Former | undefined;
    for (const memberId of group.members.keys()) {
      const generationId = this.#seen.get(memberId) ?? group.generation;
      this.#seen.set(memberId, group.generation);
      if (generationId >= group.generation || generationId < 1) continue;
      former = { groupId, memberId, generationId };
    }
    return former;
  }

  async #repeat(
    former: Former,
    { process, seams }: {
      readonly process: SimProcess;
      readonly seams: ClientSeams;
    },
  ): Promise<void> {
    const { world } = this.stage;
    const coordinator = world.watcher.classic(former.groupId)?.process;
    const link = await Link.open({
      ...seams,
      address: { host: world.machines[0]!.host, port: CLIENT_PORT },
      clientId: this.name,
      isAdvertised: false,
      connectTimeoutMs: TIMEOUT_MS,
      requestTimeoutMs: TIMEOUT_MS,
    });
    try {
      const what = process.chance.pick(["commit", "heartbeat"]);
      const error = errorName(await send(link, { ...former, what }));
      const { memberId, groupId, generationId } = former;
      const said = `a ${what} of ${memberId} in generation ${generationId} ` +
        `of ${groupId}, which is over, was answered with ${error}`;
      world.scheduler.note(said);
      // Who began anew may know no newer generation.
      const isSame = coordinator?.isAlive === true &&
        !world.machines.some(({ disk }) => disk.hasFailed);
      if (isSame && TAKEN.includes(error)) world.defect(said);
    } finally {
      link.close();
    }
  }
}

/** The error code of what comes back. */
async function send(
  link: Link,
  { groupId, memberId, generationId, what }: Former & { readonly what: string },
): Promise<number> {
  if (what === "heartbeat") {
    const beat = { groupId, memberId, generationId };
    return (await link.request(HEARTBEAT, beat)).errorCode;
  }
  const { topics } = await link.request(OFFSET_COMMIT, {
    groupId,
    memberId,
    generationIdOrMemberEpoch: generationId,
    topics: [{
      name: "__consumer_offsets",
      partitions: [{ partitionIndex: 0, committedOffset: 0 }],
    }],
  }, { versionMax: 9 });
  return topics[0]!.partitions[0]!.errorCode;
}
