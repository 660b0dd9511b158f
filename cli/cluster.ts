/**
 * The door to a cluster for admin verbs: makes a client from the settings and
 * closes it whatever happens.
 *
 * @module
 */
import type { Admin } from "../net/client.ts";
import { clientOptions } from "./output.ts";
import { clientProperties, type Settings } from "./settings.ts";

/** People wait less long than programs: Kafka's own default is a minute. */
const TIMEOUT_MS = 5_000;

/** Runs `use` with an admin client. */
export async function withAdmin<T>(
  settings: Settings,
  use: (admin: Admin) => Promise<T>,
): Promise<T> {
  const { createAdmin } = await import("../net/client.ts");
  const admin = createAdmin(
    await clientProperties(settings, {
      kind: "admin",
      defaults: timeouts(TIMEOUT_MS),
      own: timeouts(settings.timeoutMs),
    }),
    clientOptions(settings),
  );
  try {
    return await use(admin);
  } finally {
    await admin.close();
  }
}

function timeouts(ms: number | undefined) {
  return {
    "default.api.timeout.ms": ms,
    "request.timeout.ms": ms,
    "socket.connection.setup.timeout.ms": ms,
  };
}

/** Names as given, each once. */
export function unique(names: readonly string[]): string[] {
  return [...new Set(names)];
}
