/**
 * Foreign clients against `kf broker`: each must do all that it offers, and all
 * must get on with each other. Skips what can't be run here, saying why.
 *
 * @module
 */
import { assertEquals } from "@std/assert";
import { createAdmin } from "../../net/client.ts";
import { temporaryFolder } from "../fixtures.ts";
import { type Client, examine, type Result, startKf } from "./capabilities.ts";
import { joinWithKf, takeTurns } from "./group.ts";
import { DOC, writeTable } from "./table.ts";
import { javaClient } from "./java_clients.ts";
import { KAFKAJS } from "./kafkajs.ts";
import { kcatClient } from "./kcat.ts";
import { PLATFORMATIC } from "./platformatic.ts";
import { pythonClients } from "./python_clients.ts";

// The clients end their own timers and sockets in their own time.
const UNSUPERVISED = { sanitizeOps: false, sanitizeResources: false };

const CLIENTS = [
  await javaClient(),
  ...await pythonClients(),
  await kcatClient(),
  KAFKAJS,
  PLATFORMATIC,
];

const examined = new Map<Client, Promise<Result[]>>();

/** The results of a client: the list is run once. */
function resultsOf(client: Client): Promise<Result[]> {
  const results = examined.get(client) ?? examine(client);
  examined.set(client, results);
  return results;
}

const PRESENT = CLIENTS.filter(({ missing }) => missing === undefined);

for (const client of CLIENTS) {
  const { name, missing } = client;
  // deno-lint-ignore no-console
  if (missing) console.warn(`skipped: ${name}: ${missing}`);
  Deno.test({
    name: `${name}: all that is offered works on a kf broker`,
    ignore: missing !== undefined,
    ...UNSUPERVISED,
    async fn() {
      const results = await resultsOf(client);
      assertEquals(results.filter(({ hasFailed }) => hasFailed), []);
    },
  });
}

Deno.test({
  name: "a member of each client and kf consume share one group",
  ...UNSUPERVISED,
  async fn() {
    using folder = temporaryFolder();
    await using broker = await startKf(`${folder.path}/data`);
    const joins = [...PRESENT.map(({ join }) => join), joinWithKf];
    const admin = createAdmin({ "bootstrap.servers": broker.address });
    await admin.createTopics([{ name: "all", partitions: 2 * joins.length }]);
    await admin.close();
    const group = { topic: "all", assignor: "roundrobin" } as const;
    await takeTurns({ bootstrap: broker.address, ...group }, joins);
    assertEquals(await broker.end("SIGTERM"), 0);
  },
});

Deno.test({
  name: "docs/COMPATIBILITY.md tells what the clients did",
  ignore: PRESENT.length < CLIENTS.length,
  ...UNSUPERVISED,
  async fn() {
    const columns = [];
    for (const client of CLIENTS) {
      columns.push({ client, results: await resultsOf(client) });
    }
    const text = await writeTable(columns);
    if (Deno.env.has("KF_WRITE_DOC")) Deno.writeTextFileSync(DOC, text);
    const hint = "deno task doc:compat writes it anew";
    assertEquals(Deno.readTextFileSync(DOC), text, hint);
  },
});
