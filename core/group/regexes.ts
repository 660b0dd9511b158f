/**
 * Subscriptions by regular expression: which topics an expression stands for,
 * when that is looked at again, and when it is forgotten. Owns these rules;
 * matching itself takes time linear to the names.
 *
 * @module
 */
import { KafkaError } from "../errors.ts";
import { Regex } from "../expression/regex.ts";
import { RegexError } from "../expression/regex_pattern.ts";
import type { ConsumerDraft } from "./consumer_draft.ts";
import type { ResolvedRegex } from "./consumer_group.ts";

/** New topics come in crowds: they are not looked at one by one. */
const CROWD_MS = 10_000;

/** The compiled expression; throws INVALID_REGULAR_EXPRESSION. */
export function compiled(regex: string): Regex {
  try {
    return new Regex(regex);
  } catch (error) {
    if (!(error instanceof RegexError)) throw error;
    throw new KafkaError(
      "INVALID_REGULAR_EXPRESSION",
      `SubscribedTopicRegex \`${regex}\` is not a valid regular expression: ${error.reason}.`,
    );
  }
}

/**
 * Resolves what members subscribe to and has to be looked at, and forgets the
 * rest. False: something is older than the topics, and due later.
 */
export function refreshRegexes(draft: ConsumerDraft): boolean {
  const { topics, config, nowMs } = draft.context;
  const inUse = new Set<string>();
  for (const { regex } of draft.members.values()) {
    if (regex !== null) inUse.add(regex);
  }
  for (const regex of [...draft.regexes.keys()]) {
    if (!inUse.has(regex)) draft.setRegex(regex, null);
  }
  const waitMs = Math.min(CROWD_MS, config.regexRefreshIntervalMs);
  let isCurrent = true;
  for (const regex of inUse) {
    const before = draft.regexes.get(regex);
    if (before?.version === topics.version) continue;
    if (before !== undefined && nowMs - before.timestampMs < waitMs) {
      isCurrent = false;
      continue;
    }
    draft.setRegex(regex, resolved(draft, regex));
  }
  return isCurrent;
}

function resolved(
  { context: { topics, nowMs } }: ConsumerDraft,
  regex: string,
): ResolvedRegex {
  const expression = compiled(regex);
  return {
    topics: [...topics.names()].filter((name) => expression.matches(name))
      .sort(),
    version: topics.version,
    timestampMs: nowMs,
  };
}
