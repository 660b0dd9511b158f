/**
 * What a client believes of a cluster when a broker's answer is no sense.
 *
 * @module
 */
import { assertEquals } from "@std/assert";
import { decode, encode } from "../../core/schema/codec.ts";
import { METADATA } from "../wire/03_metadata.ts";
import { Metadata } from "./metadata.ts";

Deno.test("a partition with a number beyond those listed is not believed", () => {
  const { response, versions: { max } } = METADATA;
  const indexes = [0, 2 ** 31 - 1, -1];
  const bytes = encode(response, max, {
    topics: [{
      name: "t",
      partitions: indexes.map((partitionIndex) => ({ partitionIndex })),
    }],
  });
  const metadata = new Metadata();
  metadata.update(decode(response, max, bytes));
  assertEquals(
    metadata.topics.get("t")!.partitions.map(({ partition }) => partition),
    [0],
  );
});
