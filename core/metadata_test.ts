/**
 * Reading metadata from a snapshot's file: what counts, what doesn't, what is
 * told of records that only a newer Kafka knows, and what is never shown.
 *
 * @module
 */
import { assertEquals, assertThrows } from "@std/assert";
import { KafkaError } from "./errors.ts";
import { dumpLog } from "./log.ts";
import { readMetadata } from "./metadata.ts";
import {
  encodeMetadataRecord,
  type MetadataRecord,
  metadataRecord,
} from "./metadata/records.ts";
import { encodeSnapshot, snapshotName } from "./raft/snapshot.ts";

const ID = { endOffset: 40, epoch: 3 };

/** Writes a snapshot of `values` into `folder` and gives its path. */
function write(folder: string, values: readonly Uint8Array[]): string {
  const parts = [...encodeSnapshot(values, { id: ID, nowMs: 5 })];
  const path = `${folder}/${snapshotName(ID)}`;
  Deno.writeFileSync(path, new Uint8Array(parts.flatMap((part) => [...part])));
  return path;
}

function inFolder(test: (folder: string) => void): () => void {
  return () => {
    const folder = Deno.makeTempDirSync({ prefix: "kf-metadata-" });
    try {
      test(folder);
    } finally {
      Deno.removeSync(folder, { recursive: true });
    }
  };
}

function topic(name: string, digit: string): MetadataRecord {
  const topicId = digit.repeat(21) + "A";
  return metadataRecord("Topic", { name, topicId });
}

Deno.test(
  "a transaction counts once it has ended, and not when it was aborted or left open",
  inFolder((folder) => {
    const path = write(
      folder,
      [
        topic("outside", "1"),
        metadataRecord("BeginTransaction", { name: "one" }),
        topic("aborted", "2"),
        metadataRecord("AbortTransaction", { reason: "why not" }),
        metadataRecord("BeginTransaction", { name: "two" }),
        topic("ended", "3"),
        metadataRecord("EndTransaction", {}),
        metadataRecord("BeginTransaction", { name: "three" }),
        topic("open", "4"),
      ].map(encodeMetadataRecord),
    );
    const { tree, endOffset, missing } = readMetadata(path);
    assertEquals(Object.keys(tree["topics"]!), ["ended", "outside"]);
    assertEquals([endOffset, missing], [40, []]);
  }),
);

Deno.test(
  "records of unknown types are counted, and the others are there",
  inFolder((folder) => {
    const unknown = new Uint8Array([1, 99, 0]);
    const values = [unknown, encodeMetadataRecord(topic("t", "1")), unknown];
    const { tree, missing } = readMetadata(write(folder, values));
    assertEquals(Object.keys(tree["topics"]!), ["t"]);
    assertEquals(missing, [
      "Cannot decode metadata record: type 99 is not known (2 times)",
    ]);
  }),
);

Deno.test(
  "quotas and credentials are shown as kafka-metadata-shell names them, and no secret is",
  inFolder((folder) => {
    const metadata = `${folder}/__cluster_metadata-0`;
    Deno.mkdirSync(metadata);
    const secret = (text: string) => new TextEncoder().encode(text);
    const quota = (entity: Record<string, string | null>, value: number) =>
      metadataRecord("ClientQuota", {
        entity: Object.entries(entity).map(([entityType, entityName]) => ({
          entityType,
          entityName,
        })),
        key: "producer_byte_rate",
        value,
      });
    const path = write(
      metadata,
      [
        metadataRecord("UserScramCredential", {
          name: "alice",
          mechanism: 1,
          salt: secret("a salt of her"),
          storedKey: secret("a stored key"),
          serverKey: secret("a server key"),
          iterations: 4096,
        }),
        quota({ user: "b(o)b", "client-id": null }, 5),
        quota({ ip: "10.0.0.1" }, 6),
      ].map(encodeMetadataRecord),
    );
    const shown = {
      salt: "(redacted)",
      storedKey: "(redacted)",
      serverKey: "(redacted)",
      iterations: 4096,
    };
    const { tree } = readMetadata(path);
    assertEquals([tree["scram"], tree["clientQuotas"]], [
      { "SCRAM-SHA-256": { alice: shown }, "SCRAM-SHA-512": {} },
      {
        "clientId()_user(b\\(o\\)b)": { producer_byte_rate: 5 },
        "ip(10.0.0.1)": { producer_byte_rate: 6 },
      },
    ]);
    const rows = [...dumpLog([folder], { records: true })];
    const [row] = rows.filter((row) => row.kind === "record")
      .filter(({ decoded }) => decoded?.type === "UserScramCredential");
    assertEquals(row?.decoded?.value, {
      name: "alice",
      mechanism: 1,
      ...shown,
    });
    assertEquals(row?.value, secret("(redacted)"));
  }),
);

Deno.test(
  "a damaged snapshot that is named is an error",
  inFolder((folder) => {
    const path = write(folder, [encodeMetadataRecord(topic("t", "1"))]);
    Deno.truncateSync(path, Deno.statSync(path).size - 5);
    assertThrows(() => readMetadata(path), KafkaError, "damaged");
  }),
);
