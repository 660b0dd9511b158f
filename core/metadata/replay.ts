/**
 * The image as somebody builds it who only looks on: what a newer Kafka wrote
 * is passed over, and told. It must never be what a node decides by.
 *
 * @module
 */
import { DecodeError } from "../bytes/reader.ts";
import { MetadataImage } from "./image.ts";
import { decodeMetadataRecord, type MetadataRecord } from "./records.ts";

/** Builds the image from values; a transaction counts once it ends (KIP-866). */
export class MetadataReplay {
  readonly image = new MetadataImage();
  /** The offset after the last record that was taken in; for whoever reads. */
  endOffset = 0;
  readonly #missing = new Map<string, number>();
  #open: MetadataRecord[] | undefined;

  /** Applies the values of records. */
  take(values: Iterable<Uint8Array>): void {
    for (const value of values) {
      try {
        this.#apply(decodeMetadataRecord(value));
      } catch (error) {
        if (!(error instanceof DecodeError)) throw error;
        this.lacks(error.message);
      }
    }
  }

  /** Notes something that is missing. */
  lacks(what: string): void {
    this.#missing.set(what, (this.#missing.get(what) ?? 0) + 1);
  }

  /** What could not be read, in words. */
  missing(): string[] {
    return Array.from(
      this.#missing,
      ([what, count]) => count === 1 ? what : `${what} (${count} times)`,
    );
  }

  #apply(record: MetadataRecord): void {
    switch (record.type) {
      case "BeginTransaction":
        this.#open = [];
        return;
      case "AbortTransaction":
        this.#open = undefined;
        return;
      case "EndTransaction":
        for (const each of this.#open ?? []) this.image.apply(each);
        this.#open = undefined;
        return;
      default:
        if (this.#open === undefined) this.image.apply(record);
        else this.#open.push(record);
    }
  }
}
