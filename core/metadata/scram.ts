/**
 * SCRAM credentials of users (KIP-554): the decision to set and to remove
 * them, and what of one may be shown. Decides only; a credential holds what
 * proves a password, never one, and nothing here hands it out.
 *
 * @module
 */
import type { HashName } from "../env/env.ts";
import { KafkaError } from "../errors.ts";
import type {
  AlteredCredentials,
  ControllerDecision,
  ControllerState,
  ScramDeletion,
  ScramUpsertion,
} from "./controller.ts";
import type { MetadataImage, ScramCredential } from "./image.ts";
import { type MetadataRecord, metadataRecord } from "./records.ts";
import { itemResult } from "./topics.ts";

/** Mechanisms by their number on the wire, with the hash of each. */
export const SCRAM_HASHES: ReadonlyMap<number, HashName> = new Map(
  [[1, "SHA-256"], [2, "SHA-512"]],
);

/** What stands in the place of a secret, as in Kafka's own tools. */
export const REDACTED = "(redacted)";

/** A credential as it may be shown: without what would prove a password. */
export function shownCredential<T extends ScramCredential>(
  credential: T,
): Omit<T, Secret> & Readonly<Record<Secret, string>> {
  return {
    ...credential,
    salt: REDACTED,
    storedKey: REDACTED,
    serverKey: REDACTED,
  };
}

type Secret = "salt" | "storedKey" | "serverKey";

const ITERATIONS = { min: 4096, max: 16384 } as const;

/** Sets and removes credentials; a user takes part once in a request. */
export function alterUserScramCredentials(
  { deletions, upsertions }: {
    readonly deletions: readonly ScramDeletion[];
    readonly upsertions: readonly ScramUpsertion[];
  },
  { image }: ControllerState,
): ControllerDecision {
  const results = new Map<string, AlteredCredentials>();
  const records = new Map<string, MetadataRecord>();
  const take = (user: string, recordOf: () => MetadataRecord) => {
    const before = results.get(user)?.error;
    if (before !== undefined && before !== "NONE") return;
    const result = itemResult(() => {
      const record = recordOf();
      if (before !== undefined) {
        throw new KafkaError(
          "DUPLICATE_RESOURCE",
          `User "${user}" stands more than once in the request`,
        );
      }
      records.set(user, record);
    });
    if (result.error !== "NONE") records.delete(user);
    results.set(user, { user, ...result });
  };
  for (const deletion of deletions) {
    take(deletion.name, () => removed(deletion, image));
  }
  for (const upsertion of upsertions) {
    take(upsertion.name, () => upserted(upsertion));
  }
  return {
    records: [...records.values()],
    reply: {
      type: "alterUserScramCredentials",
      results: [...results.values()],
    },
  };
}

function checkUser(
  { name, mechanism }: { readonly name: string; readonly mechanism: number },
): void {
  if (name === "") {
    throw new KafkaError("UNACCEPTABLE_CREDENTIAL", "The user's name is empty");
  }
  if (!SCRAM_HASHES.has(mechanism)) {
    throw new KafkaError(
      "UNSUPPORTED_SASL_MECHANISM",
      `SCRAM mechanism ${mechanism} is not known`,
    );
  }
}

function removed(
  { name, mechanism }: ScramDeletion,
  image: MetadataImage,
): MetadataRecord {
  checkUser({ name, mechanism });
  if (!image.scramCredentials.get(name)?.has(mechanism)) {
    throw new KafkaError(
      "RESOURCE_NOT_FOUND",
      `User "${name}" has no such credential`,
    );
  }
  return metadataRecord("RemoveUserScramCredential", { name, mechanism });
}

function upserted(upsertion: ScramUpsertion): MetadataRecord {
  checkUser(upsertion);
  const { iterations, storedKey, serverKey } = upsertion;
  const problem = iterations < ITERATIONS.min
    ? `${iterations} iterations are too few: at least ${ITERATIONS.min}`
    : iterations > ITERATIONS.max
    ? `${iterations} iterations are too many: at most ${ITERATIONS.max}`
    : storedKey.length === 0 || serverKey.length === 0
    ? "The salted password is empty"
    : undefined;
  if (problem !== undefined) {
    throw new KafkaError("UNACCEPTABLE_CREDENTIAL", problem);
  }
  const { name, mechanism, salt } = upsertion;
  return metadataRecord("UserScramCredential", {
    name,
    mechanism,
    salt,
    storedKey,
    serverKey,
    iterations,
  });
}
