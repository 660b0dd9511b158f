/**
 * YAML files that hold `key: value`: the project's `.kf.yaml`, `topics.yaml`,
 * the profiles. Owns the parser's loading and its errors; knows no keys.
 *
 * @module
 */
import { UsageError } from "./failure.ts";

/** The mapping that `text` holds; `path` names it in errors. */
export async function parseYaml(
  path: string,
  text: string,
): Promise<Record<string, unknown>> {
  const { parse } = await import("@std/yaml");
  let values: unknown;
  try {
    values = parse(text) ?? {};
  } catch (error) {
    throw new UsageError(`Cannot read "${path}": ${error}`);
  }
  if (isMapping(values)) return values;
  throw new UsageError(`Cannot read "${path}": it must hold key: value`);
}

/** A mapping as YAML text. */
export async function yamlText(
  values: Readonly<Record<string, unknown>>,
): Promise<string> {
  const { stringify } = await import("@std/yaml/stringify");
  return stringify(values);
}

/** Whether a value of YAML is `key: value` itself. */
export function isMapping(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
