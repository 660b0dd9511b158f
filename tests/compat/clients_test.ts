/**
 * Foreign clients against `kf broker`: each must do all that it offers.
 *
 * @module
 */
import { assertEquals } from "@std/assert";
import { type Client, examine } from "./capabilities.ts";
import { KAFKAJS } from "./kafkajs.ts";
import { PLATFORMATIC } from "./platformatic.ts";
import { pythonClients } from "./python_clients.ts";

/** A test of one client: no capability that it offers may fail. */
function testClient(client: Client): void {
  // deno-lint-ignore no-console
  if (client.missing) {
    console.warn(`skipped: ${client.name}: ${client.missing}`);
  }
  Deno.test({
    name: `${client.name} does all that it offers on a kf broker`,
    ignore: client.missing !== undefined,
    // The clients end their own timers and sockets in their own time.
    sanitizeOps: false,
    sanitizeResources: false,
    async fn() {
      const results = await examine(client);
      assertEquals(results.filter(({ hasFailed }) => hasFailed), []);
    },
  });
}

[KAFKAJS, PLATFORMATIC, ...await pythonClients()].forEach(testClient);
