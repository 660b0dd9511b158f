/**
 * The running broker that frames are thrown at: what it traces, whether it
 * still serves others, and whether it stops and opens its folder again. Owns
 * its folder and its port.
 *
 * @module
 */
import { assert } from "@std/assert";
import { uuidToBytes } from "../../core/bytes/uuid.ts";
import { denoEnv } from "../../core/env/deno_env.ts";
import type { Env, Trace } from "../../core/env/env.ts";
import type { Broker } from "../../net/server/broker.ts";
import { METADATA } from "../../net/wire/03_metadata.ts";
import { API_VERSIONS } from "../../net/wire/18_api_versions.ts";
import { CREATE_TOPICS } from "../../net/wire/19_create_topics.ts";
import { encodeRequest } from "../../net/wire/headers.ts";
import { create, latest, start } from "../raw_broker.ts";
import { RawClient } from "../raw_client.ts";

/** Stands in an input where the id of topic `t` belongs. */
export const TOPIC_ID_HERE = "id of topic t...";

/** Inputs after which the broker starts again on its folder. */
const RESTART_AFTER = 150;
/** Restarts after which it gets a new folder. */
const RESTARTS_MAX = 4;
/** Inputs after which another client is served. */
const SERVE_AFTER = 10;
/** How long the answers to an input are waited for: some requests wait. */
const ANSWERS_MS = 60;
const PATIENCE_MS = 30_000;
const LAST_CORRELATION_ID = 0x7ffffffe;

/** Closes what was left behind by the requests before. */
const LAST_REQUEST = encodeRequest({
  api: API_VERSIONS,
  version: API_VERSIONS.versions.max,
  correlationId: LAST_CORRELATION_ID,
  clientId: "last",
}, { clientSoftwareName: "fuzz", clientSoftwareVersion: "1" });

/** Rejects when `promise` takes longer than {@linkcode PATIENCE_MS}. */
async function inTime<T>(what: string, promise: Promise<T>): Promise<T> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(
      () => reject(new Error(`${what} took more than ${PATIENCE_MS} ms`)),
      PATIENCE_MS,
    );
  });
  try {
    return await Promise.race([promise, late]);
  } finally {
    clearTimeout(timer);
  }
}

/** A broker under fire. */
export class Arena {
  readonly #problems: string[] = [];
  readonly #env: Env;
  #folder = "";
  #broker!: Broker;
  readonly #topicId = new Uint8Array(16);
  #inputs = 0;
  #restarts = 0;

  private constructor() {
    const trace: Trace = (level, event, fields) => {
      if (level !== "error") return;
      const error = fields?.["error"];
      this.#problems.push(
        `${event}: ${error instanceof Error ? error.stack : error}`,
      );
    };
    this.#env = denoEnv({ trace });
  }

  static async open(): Promise<Arena> {
    const arena = new Arena();
    await arena.#begin();
    return arena;
  }

  /** Sends the bytes on a connection of their own; throws for what is wrong. */
  async take(input: Uint8Array): Promise<void> {
    this.#inputs++;
    await this.#exchange(this.#withTopicId(input));
    this.#check();
    if (this.#inputs % SERVE_AFTER === 0) {
      await inTime("serving another client", this.#serve());
    }
    if (this.#inputs % RESTART_AFTER === 0) await this.#restart();
  }

  async close(): Promise<void> {
    await this.#stop();
    this.#broker = await this.#start();
    await this.#serve();
    await this.#stop();
    Deno.removeSync(this.#folder, { recursive: true });
  }

  async #begin(): Promise<void> {
    this.#folder = Deno.makeTempDirSync({ prefix: "kf-fuzz-" });
    this.#broker = await this.#start();
    using client = await RawClient.connect(this.#broker.address.port);
    const { topicId } = await create(client, "t", 2);
    uuidToBytes(topicId, this.#topicId);
    await client.call(latest(CREATE_TOPICS), {
      topics: [{
        name: "c",
        numPartitions: 1,
        replicationFactor: 1,
        configs: [{ name: "cleanup.policy", value: "compact" }],
      }],
    });
  }

  #start(): Promise<Broker> {
    return start(this.#folder, {
      env: this.#env,
      config: {
        "log.segment.bytes": "1048576",
        "group.initial.rebalance.delay.ms": "0",
      },
      onFatal: (error) => this.#problems.push(`the broker gave up: ${error}`),
    });
  }

  async #stop(): Promise<void> {
    await inTime("stopping", this.#broker.stop());
    await this.#env.tasks.settled();
    this.#check();
  }

  async #restart(): Promise<void> {
    await this.#stop();
    if (++this.#restarts % RESTARTS_MAX === 0) {
      Deno.removeSync(this.#folder, { recursive: true });
      await this.#begin();
    } else {
      this.#broker = await this.#start();
    }
    this.#check();
  }

  #check(): void {
    const problems = this.#problems.splice(0);
    assert(problems.length === 0, problems.join("\n"));
  }

  #withTopicId(input: Uint8Array): Uint8Array {
    const here = new TextEncoder().encode(TOPIC_ID_HERE);
    const result = input.slice();
    for (let at = 0; at + here.length <= input.length; at++) {
      if (here.every((byte, i) => input[at + i] === byte)) {
        result.set(this.#topicId, at);
      }
    }
    return result;
  }

  /** Writes the input, and reads until an answer to what follows it, or the end. */
  async #exchange(input: Uint8Array): Promise<void> {
    const client = await RawClient.connect(this.#broker.address.port);
    const timer = setTimeout(() => client.close(), ANSWERS_MS);
    try {
      await client.write(input);
      await client.write(LAST_REQUEST);
      for (;;) {
        const frame = await client.frame();
        if (frame === null) break;
        const id = new DataView(frame.buffer, frame.byteOffset).getInt32(0);
        if (id === LAST_CORRELATION_ID) break;
      }
    } catch (error) {
      // It closes while we write: that is an answer, too.
      if (!isOfConnection(error)) throw error;
    } finally {
      clearTimeout(timer);
      client.close();
    }
  }

  async #serve(): Promise<void> {
    using client = await RawClient.connect(this.#broker.address.port);
    const { topics } = await client.call(latest(METADATA), {
      topics: [{ name: "c" }],
    });
    assert(topics.length === 1, "another client is served");
  }
}

function isOfConnection(error: unknown): boolean {
  return error instanceof Deno.errors.BrokenPipe ||
    error instanceof Deno.errors.ConnectionReset ||
    error instanceof Deno.errors.BadResource ||
    error instanceof Deno.errors.Interrupted;
}
