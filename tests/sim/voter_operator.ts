/**
 * An operator in a run of several nodes who changes who votes on the metadata:
 * raises kraft.version where the voters were configured, has nodes vote that
 * don't, and ends the vote of others. Owns what it asks for, with kf's own
 * client; nobody waits for what becomes of it.
 *
 * @module
 */
import { KafkaError } from "../../core/errors.ts";
import { Admin } from "../../net/client/admin.ts";
import type { QuorumDescription } from "../../net/client/admin_types.ts";
import type { ClientSeams } from "../../net/client/types.ts";
import type { SimProcess } from "./process.ts";
import { Actor } from "./workload.ts";
import { CONTROLLER_LISTENER, CONTROLLER_PORT } from "./world.ts";

/** Shorter than it takes a leader to find out that nobody hears it. */
const TIMEOUT_MS = 800;

/** Changes voters. */
export class VoterActor extends Actor {
  protected override async run(
    process: SimProcess,
    seams: ClientSeams,
  ): Promise<void> {
    const { world, plan: { quorum } } = this.stage;
    const admin = new Admin({
      "bootstrap.servers": world.addresses,
      "request.timeout.ms": String(TIMEOUT_MS),
      "default.api.timeout.ms": String(TIMEOUT_MS),
      "retry.backoff.ms": "50",
    }, seams);
    while (!this.isAsked) {
      await process.sleep(process.chance.delayMs(quorum.changesMs, 4_000));
      if (this.isAsked) break;
      try {
        await this.#change(admin, process);
      } catch (error) {
        if (!(error instanceof KafkaError)) throw error;
        world.scheduler.note(`${process.name} caught ${error.message}`);
      }
    }
    await admin.close();
  }

  async #change(admin: Admin, process: SimProcess): Promise<void> {
    const { chance, name } = process;
    const { world, plan: { quorum: { begins } } } = this.stage;
    if (begins === "configured" && chance.odds(0.4)) {
      const level = { name: "kraft.version", level: 1 } as const;
      await admin.updateFeatures([{ ...level, kind: "upgrade" }], {});
      return world.scheduler.note(`${name}: kraft.version is 1`);
    }
    const known = await admin.describeMetadataQuorum();
    if (chance.odds(0.2)) return await this.#leaveAlone(admin, known);
    const added = this.#addable(known);
    const isAdding = added.length > 0 && chance.odds(0.5);
    const replica = chance.pick(isAdding ? added : known.voters);
    const { nodeId, directoryId } = replica;
    if (directoryId === null) return;
    world.scheduler.note(`${name}: ${isAdding ? "" : "no "}vote of ${nodeId}`);
    if (isAdding) {
      const endpoint = { name: CONTROLLER_LISTENER, port: CONTROLLER_PORT };
      await admin.addRaftVoter({
        nodeId,
        directoryId,
        endpoints: [{ ...endpoint, host: `n${nodeId}` }],
      });
    } else await admin.removeRaftVoter({ nodeId, directoryId });
    world.scheduler.note(`${name}: that of ${nodeId} is changed`);
  }

  /** Nobody is to vote but the leader: one after the other is asked to go. */
  async #leaveAlone(
    admin: Admin,
    { leaderId, voters }: QuorumDescription,
  ): Promise<void> {
    for (const { nodeId, directoryId } of voters) {
      if (nodeId === leaderId || directoryId === null) continue;
      try {
        await admin.removeRaftVoter({ nodeId, directoryId });
      } catch (error) {
        if (!(error instanceof KafkaError)) throw error;
      }
    }
  }

  /** Observers that may vote. */
  #addable({ observers }: QuorumDescription) {
    const { voters } = this.stage.plan.quorum;
    return observers.filter(({ nodeId }) => nodeId <= voters);
  }
}
