/**
 * Subscriptions by regular expression: which topics an expression stands for,
 * when that is looked at again, and when it is forgotten. Owns these rules;
 * matching itself takes time linear to the names, and no more than a
 * bounded part of it in one decision.
 *
 * @module
 */
import { KafkaError } from "../errors.ts";
import { Regex } from "../expression/regex.ts";
import { RegexError } from "../expression/regex_pattern.ts";
import type { ConsumerDraft } from "./consumer_draft.ts";
import { LIMITS } from "../limits.ts";
import type { RegexSearch } from "./consumer_group.ts";

/** New topics come in crowds: they are not looked at one by one. */
const CROWD_MS = 10_000;

/** The compiled expression; throws INVALID_REGULAR_EXPRESSION. */
export function compiled(regex: string): Regex {
  try {
    return new Regex(regex, { stepsMax: LIMITS.brokerRegexStepsMax });
  } catch (error) {
    if (!(error instanceof RegexError)) throw error;
    throw new KafkaError(
      "INVALID_REGULAR_EXPRESSION",
      `SubscribedTopicRegex \`${regex}\` is not a valid regular expression: ${error.reason}.`,
    );
  }
}

/**
 * Finds the topics of what members subscribe to and has to be looked at, and
 * forgets the rest. It stops when its time is over; `mayContinue` is the turn
 * after that. False: something is older than the topics, and due later.
 */
export function refreshRegexes(
  draft: ConsumerDraft,
  mayContinue = false,
): boolean {
  const { topics, config, nowMs } = draft.context;
  const inUse = new Set<string>();
  for (const { regex } of draft.members.values()) {
    if (regex !== null) inUse.add(regex);
  }
  for (const regex of [...draft.regexes.keys()]) {
    if (!inUse.has(regex)) draft.setRegex(regex, null);
  }
  let work: number = LIMITS.groupRegexWorkMax;
  if (draft.search !== null) {
    if (!inUse.has(draft.search.regex)) draft.search = null;
    else if (mayContinue) work = proceed(draft, { search: draft.search, work });
  }
  const waitMs = Math.min(CROWD_MS, config.regexRefreshIntervalMs);
  let isCurrent = true;
  for (const regex of inUse) {
    if (draft.search !== null) return false;
    const before = draft.regexes.get(regex);
    if (before?.version === topics.version) continue;
    if (before !== undefined && nowMs - before.timestampMs < waitMs) {
      isCurrent = false;
      continue;
    }
    work = proceed(draft, { search: searchFor(draft, regex), work });
  }
  return isCurrent && draft.search === null;
}

/** Topics that come or go meanwhile are looked at by the next search. */
function searchFor({ context: { topics } }: ConsumerDraft, regex: string) {
  return {
    regex,
    expression: compiled(regex),
    version: topics.version,
    names: [...topics.names()],
    at: 0,
    topics: [],
  };
}

/** Takes at most a name more than `work` steps; gives those that are left. */
function proceed(
  draft: ConsumerDraft,
  { search, work }: { readonly search: RegexSearch; readonly work: number },
): number {
  const { regex, expression, names, version } = search;
  const end = expression.work + work;
  const topics = [...search.topics];
  let { at } = search;
  while (at < names.length && expression.work < end) {
    const name = names[at++]!;
    if (expression.matches(name)) topics.push(name);
  }
  if (at < names.length) draft.search = { ...search, at, topics };
  else {
    const { nowMs: timestampMs } = draft.context;
    draft.setRegex(regex, { topics: topics.sort(), version, timestampMs });
    draft.search = null;
  }
  return end - expression.work;
}
