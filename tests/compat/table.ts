/**
 * `docs/COMPATIBILITY.md`, out of what the clients did. Owns the text; it holds
 * nothing that differs from one run to the next.
 *
 * @module
 */
import { assertEquals } from "@std/assert";
import { run } from "../fixtures.ts";
import {
  CAPABILITIES,
  type Client,
  COUNT,
  type Result,
} from "./capabilities.ts";
import { TOOLS } from "./kafka_tools.ts";

/** Where it lies. */
export const DOC =
  new URL("../../docs/COMPATIBILITY.md", import.meta.url).pathname;

/** A client and what it did. */
export interface Column {
  readonly client: Client;
  readonly results: readonly Result[];
}

/** The whole document, formatted as the repository wants it. */
export async function writeTable(columns: readonly Column[]): Promise<string> {
  const text = `# Compatibility

Real clients against a \`kf broker\`, and what each did there. This file is written by the tests that run them
(\`deno task doc:compat\`), and a test fails when it isn't what they do.

## Clients

${clientTable(columns)}

"No" is what the client itself lacks, whatever the broker. What the rows mean:

- **create a topic**: three partitions and a setting; doing it twice fails as it should.
- **change a topic**: one partition more, and another setting.
- **produce**: ${COUNT} records with keys and headers. kf reads them back, and the batch in the broker's log has the codec.
- **produce idempotently**: the batch in the log has a producer id and sequence numbers, too.
- **consume**: ${COUNT} records of that codec that kf produced, keys, values and headers compared.
- **seek by time**: the first record at or after a time between two records.
- **commit and resume**: kf sees the committed offset, and another consumer of the group starts there.
- **rebalance two members**: a second member joins a group, then the first leaves. The partitions are shared evenly
  each time, and each record comes to the member that has its partition.
- **share a group with kf consume**: the same, with kf as the second member. Besides, one group holds a member of every
  client here, which join and leave one after the other.
- **share it cooperatively**: two members of the client and kf between them, by assignor \`cooperative-sticky\`.
- **share it as the broker divides it**: the same in a group of \`group.protocol=consumer\` (KIP-848).
- **commit a transaction**: kf, which reads committed records only, reads them back.
- **abort a transaction**: the same records once aborted, then once committed; kf reads the latter.
- **commit offsets in a transaction**: kf sees the group's committed offset.
- **read committed records only**: a topic in which kf aborted a transaction, and committed the next.
- **delete records**: all before an offset, which kf then sees as the first.
- **fail on …**: the client says which error it is. Java's and kafka-python's producers wait for an unknown topic to
  appear, by design: there the admin client was asked.
- **start over when the offset is out of range**: reads from the earliest record after a seek beyond the end.

Else members share by assignor \`roundrobin\`. kafkajs has it under another name, and is told the common one.

## Kafka's own tools

Of the same version as the Java clients, against a \`kf broker\` (or its files).

${toolTable()}
`;
  const formatted = await run(
    [Deno.execPath(), "fmt", "--ext", "md", "--prose-wrap", "preserve", "-"],
    { stdin: text },
  );
  assertEquals(formatted.code, 0, formatted.stderr);
  return formatted.stdout;
}

function clientTable(columns: readonly Column[]): string {
  const heads = columns.map(({ client }) => `${client.name} ${client.version}`);
  const body = CAPABILITIES.map((capability) => [
    capability,
    ...columns.map(({ results }) => cell(results, capability)),
  ]);
  return markdown([["", ...heads], ...body]);
}

/** A failure is no result: no table is made then. */
function cell(results: readonly Result[], capability: string): string {
  const result = results.find((each) => each.capability === capability);
  if (result === undefined || result.hasFailed) {
    throw new Error(`${capability}: ${result?.outcome ?? "never asked"}`);
  }
  return result.outcome === "yes" ? "yes" : `no: ${result.outcome}`;
}

function toolTable(): string {
  const rows = Object.values(TOOLS).map((
    tool,
  ) => [`\`${tool.script}\``, tool.did]);
  return markdown([["tool", "what it did"], ...rows]);
}

function markdown([head, ...rows]: readonly string[][]): string {
  const line = (cells: readonly string[]) => `| ${cells.join(" | ")} |`;
  return [line(head!), line(head!.map(() => "---")), ...rows.map(line)]
    .join("\n");
}
