/**
 * A broker whose controller other nodes can reach, and such a node's way to it,
 * for tests of what brokers ask. Asserts nothing.
 *
 * @module
 */
import { denoEnv } from "../core/env/deno_env.ts";
import type { Clock } from "../core/env/env.ts";
import { Link } from "../net/link/link.ts";
import { ControllerChannel } from "../net/metadata/controller_channel.ts";
import { denoTransport } from "../net/tcp/deno_tcp.ts";
import type { Address } from "../net/tcp/transport.ts";
import { freePort } from "./ports.ts";
import { running } from "./raw_broker.ts";

/** A channel of another node to wherever `controller` says; `clock` may differ. */
export function channelTo(
  controller: () => Address | undefined,
  clock: Partial<Clock> = {},
) {
  const told: string[] = [];
  const real = denoEnv({ traceLevel: "error" });
  const env = {
    ...real,
    clock: { ...real.clock, ...clock },
    trace: (_: string, event: string) => void told.push(event),
  };
  const channel = new ControllerChannel({
    env,
    controller,
    askHere: () => Promise.reject(new Error("nobody is here")),
    connect: (address) =>
      Link.open({
        env,
        transport: denoTransport(),
        address,
        clientId: "broker-2",
        isAdvertised: false,
        connectTimeoutMs: 1000,
        requestTimeoutMs: 1000,
      }),
  });
  return {
    channel,
    env,
    told,
    async [Symbol.asyncDispose]() {
      channel.close();
      await real.tasks.settled();
    },
  };
}

/** A broker with a listener for other nodes. */
export async function controlled(
  config: Readonly<Record<string, string>> = {},
) {
  const control = freePort();
  const node = await running({
    "listeners": `PLAINTEXT://127.0.0.1:0,CONTROLLER://127.0.0.1:${control}`,
    "controller.listener.names": "CONTROLLER",
    ...config,
  });
  return { node, control: { host: "127.0.0.1", port: control } };
}
