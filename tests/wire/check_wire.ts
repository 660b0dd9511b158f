/**
 * `deno task check:wire DIR`: compares every schema with Kafka's definitions
 * in DIR (folders of JSON files), lists what has no schema yet, and exits 1
 * on a difference. The definitions are not part of this repository.
 *
 * @module
 */
import {
  differencesOf,
  type JsonMessage,
  parseDefinition,
} from "./definitions.ts";
import { METADATA_RECORDS } from "../../core/metadata/records.ts";
import { APIS } from "../../net/wire/api_keys.ts";
import { SCHEMAS } from "./schemas.ts";

/** Definitions by name, of all folders below `folder`. */
async function readDefinitions(
  folder: string,
): Promise<Map<string, JsonMessage>> {
  const definitions = new Map<string, JsonMessage>();
  for await (const entry of Deno.readDir(folder)) {
    const path = `${folder}/${entry.name}`;
    if (entry.isDirectory) {
      for (const [name, json] of await readDefinitions(path)) {
        definitions.set(name, json);
      }
    } else if (entry.name.endsWith(".json")) {
      const json = parseDefinition(await Deno.readTextFile(path));
      definitions.set(json.name, json);
    }
  }
  return definitions;
}

/** A response's newest version is as unstable as its request's. */
function isUnstable(
  name: string,
  definitions: ReadonlyMap<string, JsonMessage>,
): boolean {
  const request = name.replace(/Response$/, "Request");
  return definitions.get(request)?.latestVersionUnstable === true;
}

function compareAll(definitions: ReadonlyMap<string, JsonMessage>): string[] {
  const differences: string[] = [];
  for (const schema of SCHEMAS) {
    const json = definitions.get(schema.name);
    differences.push(
      ...(json === undefined
        ? [`${schema.name}: Kafka has no such message`]
        : differencesOf(schema, json, {
          isUnstable: isUnstable(schema.name, definitions),
        })),
    );
  }
  for (const { key, name } of APIS.values()) {
    const known = definitions.get(`${name}Request`)?.apiKey;
    if (known !== key) {
      differences.push(`${name}: key is ${key}, Kafka has ${known}`);
    }
  }
  for (const { apiKey, schema: { name } } of Object.values(METADATA_RECORDS)) {
    const known = definitions.get(name)?.apiKey;
    if (known !== apiKey) {
      differences.push(`${name}: key is ${apiKey}, Kafka has ${known}`);
    }
  }
  return differences;
}

function missing(definitions: ReadonlyMap<string, JsonMessage>): string[] {
  const names = new Set(SCHEMAS.map(({ name }) => name));
  return [...definitions.values()]
    .filter((json) => !names.has(json.name) && json.validVersions !== "none")
    .map(({ name, apiKey }) =>
      apiKey === undefined ? name : `${name} (${apiKey})`
    )
    .sort();
}

if (import.meta.main) {
  const folder = Deno.args[0];
  if (folder === undefined) {
    console.error("Cannot check the schemas: give the folder of definitions");
    Deno.exit(2);
  }
  const definitions = await readDefinitions(folder);
  const differences = compareAll(definitions);
  console.log(`Not there yet: ${missing(definitions).join(", ")}`);
  console.log(
    `${SCHEMAS.length} schemas compared, ${differences.length} differences`,
  );
  for (const difference of differences) console.error(difference);
  Deno.exit(differences.length === 0 ? 0 : 1);
}
