/**
 * Links to other brokers for transactions: what happens to what was asked of a
 * broker that says nothing any more.
 *
 * @module
 */
import { assertEquals } from "@std/assert";
import { KafkaError } from "../../core/errors.ts";
import { until } from "../../tests/fixtures.ts";
import type { Link } from "../link/link.ts";
import { TransactionPeers } from "./transaction_peers.ts";

const MARKER = {
  producerId: 1,
  producerEpoch: 2,
  coordinatorEpoch: 3,
  committed: true,
  transactionVersion: 2,
};

const PARTITION = { topic: "t", partition: 0 };

/** A link whose other end has no power: nothing comes, and it stays open. */
class SilentLink {
  asked = 0;
  error: KafkaError | undefined;
  readonly #pending: ((error: KafkaError) => void)[] = [];

  request(): Promise<never> {
    this.asked++;
    return new Promise((_, reject) => this.#pending.push(reject));
  }

  close(): void {
    this.error = new KafkaError("NETWORK_EXCEPTION", "closed");
    for (const reject of this.#pending.splice(0)) reject(this.error);
  }
}

/** Peers whose brokers are silent, and the links to them as they came. */
function silentPeers(epochs: Map<number, number>) {
  const links: SilentLink[] = [];
  const peers = new TransactionPeers({
    connect: () => {
      const link = new SilentLink();
      links.push(link);
      return Promise.resolve(link as unknown as Link);
    },
    epochOf: (id) => epochs.get(id),
  });
  return { peers, links };
}

Deno.test("a marker for a broker without power waits no longer than until it is fenced", async () => {
  const epochs = new Map([[2, 7]]);
  const { peers, links } = silentPeers(epochs);
  const ended = peers.end(2, MARKER, [PARTITION]);
  await until("it is asked", () => links[0]?.asked === 1);
  peers.brokersChanged(new Set([2]));
  assertEquals(links[0]!.error, undefined, "it is the same broker");
  epochs.delete(2);
  peers.brokersChanged(new Set([1]));
  assertEquals(links[0]!.error, undefined, "another one changed");
  peers.brokersChanged(new Set([1, 2]));
  assertEquals(await ended, ["BROKER_NOT_AVAILABLE"]);
  peers.close();
});

Deno.test("a broker that is back as another process is asked over a link of its own", async () => {
  const epochs = new Map([[2, 7]]);
  const { peers, links } = silentPeers(epochs);
  const before = peers.verify(2, {
    transactionalId: "x",
    producerId: 1,
    producerEpoch: 2,
    verifyOnly: true,
    partitions: [PARTITION],
  });
  await until("it is asked", () => links[0]?.asked === 1);
  epochs.set(2, 8);
  peers.brokersChanged(new Set([2]));
  assertEquals(await before, ["COORDINATOR_NOT_AVAILABLE"]);
  const after = peers.end(2, MARKER, [PARTITION]);
  await until("it is asked again", () => links[1]?.asked === 1);
  assertEquals(links.length, 2);
  peers.close();
  assertEquals(await after, ["BROKER_NOT_AVAILABLE"]);
});
