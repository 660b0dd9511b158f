/**
 * A client in another language: a program that takes a capability a line and
 * answers each with a line. Owns the talk with it.
 *
 * @module
 */
import { assertEquals } from "@std/assert";
import { linesOf, until } from "../fixtures.ts";
import {
  BEYOND_OFFSET,
  type Client,
  COMMITTED_OFFSET,
  COUNT,
  NotOffered,
  type Session,
  SOUGHT_MS,
  SOUGHT_OFFSET,
  TOO_LARGE,
} from "./capabilities.ts";
import { joinWithProgram, propertiesOf } from "./group.ts";

/** What a probe must know, as variables of its environment. */
export const PROBE_ENV = Object.fromEntries(
  Object.entries({
    COUNT,
    SOUGHT_MS,
    SOUGHT_OFFSET,
    COMMITTED_OFFSET,
    TOO_LARGE,
    BEYOND_OFFSET,
  }).map(([name, value]) => [name, `${value}`]),
);

/** The client that `command` runs; it goes on with what is asked of it. */
export function programClient(
  { command, ...told }: Omit<Client, "connect" | "join"> & {
    readonly command: readonly string[];
  },
): Client {
  return {
    ...told,
    connect: (bootstrap) => start([...command, "probe", bootstrap]),
    join: ({ bootstrap, topic, clientId, assignor }) =>
      joinWithProgram(
        [...command, "member", bootstrap, topic, clientId].concat(
          propertiesOf(assignor),
        ),
        { env: PROBE_ENV },
      ),
  };
}

function start([program, ...args]: string[]): Session {
  const child = new Deno.Command(program!, {
    args,
    env: PROBE_ENV,
    stdin: "piped",
    stdout: "piped",
    stderr: "piped",
  }).spawn();
  const complaints = new Response(child.stderr).text();
  const lines: string[] = [];
  let hasEnded = false;
  const reading = (async () => {
    for await (const line of linesOf(child.stdout)) lines.push(line);
    hasEnded = true;
  })();
  const writer = child.stdin.getWriter();
  return {
    async probe(capability) {
      if (!hasEnded) {
        await writer.write(new TextEncoder().encode(`${capability}\n`));
      }
      await until(capability, () => lines.length > 0 || hasEnded);
      const answer = lines.shift() ?? `ended: ${await complaints}`;
      if (answer.startsWith("no ")) throw new NotOffered(answer.slice(3));
      assertEquals(answer, "yes");
    },
    async [Symbol.asyncDispose]() {
      if (!hasEnded) await writer.close();
      await child.status;
      await reading;
      await complaints;
    },
  };
}
