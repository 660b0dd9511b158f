/**
 * Foreign clients against `kf broker`: each must do all that it offers.
 *
 * @module
 */
import { assertEquals } from "@std/assert";
import { type Client, examine } from "./capabilities.ts";
import { KAFKAJS } from "./kafkajs.ts";
import { PLATFORMATIC } from "./platformatic.ts";

/** A test of one client: no capability that it offers may fail. */
function testClient(client: Client): void {
  Deno.test({
    name: `${client.name} does all that it offers on a kf broker`,
    // The clients end their own timers and sockets in their own time.
    sanitizeOps: false,
    sanitizeResources: false,
    async fn() {
      const results = await examine(client);
      assertEquals(results.filter(({ hasFailed }) => hasFailed), []);
    },
  });
}

[KAFKAJS, PLATFORMATIC].forEach(testClient);
