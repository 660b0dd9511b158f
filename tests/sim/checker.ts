/**
 * Judges a history by what Kafka promises. It knows nothing of the code that
 * made it, only what was sent, what was seen, which records were promised to
 * survive, and when power was lost. Anomalies have Jepsen's names.
 *
 * @module
 */
import type {
  Ending,
  History,
  Poll,
  Seen,
  Send,
  TopicPromise,
  Transaction,
} from "./history.ts";

/** Something that must not happen. */
export interface Anomaly {
  readonly name: string;
  readonly what: string;
}

/** What the checks share. */
interface Case {
  readonly history: History;
  readonly topics: ReadonlyMap<string, TopicPromise>;
  readonly sends: ReadonlyMap<string, Send>;
  /** Since when nothing may be lost of a topic without a flush policy. */
  readonly lastLossMs: number;
  /** Topics that hold markers and void records between the others. */
  readonly markedTopics: ReadonlySet<string>;
  /** Of the logs in the end what nothing takes away later. */
  readonly lasting: ReadonlyMap<string, readonly Seen[]>;
  readonly report: (name: string, what: string) => void;
}

/** All anomalies of a history; at most a few of each kind are told. */
export function check(history: History): Anomaly[] {
  const anomalies: Anomaly[] = [];
  const counts = new Map<string, number>();
  const report = (name: string, what: string) => {
    const count = (counts.get(name) ?? 0) + 1;
    counts.set(name, count);
    if (count <= 3) anomalies.push({ name, what });
  };
  const each: Case = {
    history,
    topics: new Map(history.topics.map((topic) => [topic.name, topic])),
    sends: new Map(history.sends.map((send) => [send.value, send])),
    lastLossMs: Math.max(-1, ...history.powerLossesMs),
    markedTopics: new Set(
      history.sends.filter(({ transaction }) => transaction !== undefined)
        .map(({ topic }) => topic),
    ),
    lasting: lastingRecords(history),
    report,
  };
  checkLogs(each);
  checkOrigins(each);
  checkOffsets(each);
  checkSends(each);
  checkOrder(each);
  checkPolls(each);
  checkGroups(each);
  checkCommits(each);
  checkTopics(each);
  checkTransactions(each);
  checkTransactionOffsets(each);
  return anomalies;
}

/** Whether everything that was ever acknowledged or read of it must stay. */
function keepsAll(
  { topics, history, lastLossMs }: Case,
  topic: string,
): boolean {
  const promise = topics.get(topic);
  if (promise === undefined || promise.isChurned) return false;
  if (history.damagesMs?.has(topic) || wasUnclean(history, topic)) return false;
  return promise.isDurable || lastLossMs < 0;
}

/** Whether somebody led a partition of it who lacked what was acknowledged. */
export function wasUnclean({ uncleanMs }: History, topic: string): boolean {
  return [...uncleanMs?.keys() ?? []].some((name) => topicOf(name) === topic);
}

/** Whether outcomes of transactions that somebody was told must stay. */
function keepsTransactions({ history, lastLossMs }: Case): boolean {
  return history.isAllDurable || lastLossMs < 0;
}

function nameOf(
  { topic, partition }: { readonly topic: string; readonly partition: number },
): string {
  return `${topic}-${partition}`;
}

/** The topic of `topic-partition`. */
function topicOf(name: string): string {
  return name.replace(/-\d+$/, "");
}

/**
 * A log itself: offsets rise without gaps, no value of an idempotent producer
 * twice. A snapshot of producers knows the last batch of each alone, as Kafka's
 * does: of several in flight a broker that ended may take older ones twice.
 */
function checkLogs(each: Case): void {
  const { history, sends, report } = each;
  const mayRepeat = (send: Send | undefined) =>
    send === undefined || !send.isIdempotent ||
    send.inFlightMax > 1 &&
      history.endsMs.some((ms) => ms > send.invokeMs && ms <= send.endMs);
  for (const [name, { start, end, records }] of history.logs) {
    let expected = start;
    const values = new Map<string, number>();
    for (const { offset, value } of records) {
      // Without a flush policy power may take the end of any segment.
      const topic = topicOf(name);
      const mayLack = !keepsAll(each, topic) ||
        each.markedTopics.has(topic) || each.topics.get(topic)?.isCompacted;
      if (offset < expected || offset > expected && !mayLack) {
        report("int-poll-skip", `${name}: ${offset} follows ${expected - 1}`);
      }
      expected = offset + 1;
      const before = values.get(value);
      if (before !== undefined && !mayRepeat(sends.get(value))) {
        report("duplicate", `${name}: ${value} at ${before} and ${offset}`);
      }
      values.set(value, offset);
    }
    const hasGaps = each.markedTopics.has(topicOf(name)) ||
      each.topics.get(topicOf(name))?.isCompacted;
    if (expected !== end && records.length > 0 && !hasGaps) {
      report(
        "poll-skip",
        `${name} is read up to ${expected}, and ends at ${end}`,
      );
    }
  }
}

/** What is read was sent, and was not refused. */
function checkOrigins({ history, sends, report }: Case): void {
  const look = (value: string, where: string, isCommitted = true) => {
    const send = sends.get(value);
    if (send?.transaction !== undefined && !isCommitted) return;
    if (send === undefined) {
      report("phantom", `${where}: "${value}" was never sent`);
    } else if (send.ending === "fail") {
      report("G1a", `${where}: ${value} was refused`);
    }
  };
  for (const poll of history.polls) {
    const isCommitted = history.committedReaders.has(poll.group);
    for (const { offset, value } of poll.records) {
      const where = `${nameOf(poll)} at ${offset}, read by ${poll.consumer}`;
      look(value, where, isCommitted);
    }
  }
  for (const [name, { records }] of history.logs) {
    for (const { offset, value } of records) {
      look(value, `${name} at ${offset}`);
    }
  }
}

/** One offset, one value, whoever looks. */
function checkOffsets(each: Case): void {
  const { history, report } = each;
  const known = new Map<string, Map<number, string>>();
  const note = (name: string, offset: number, value: string) => {
    let values = known.get(name);
    if (values === undefined) known.set(name, values = new Map());
    const before = values.get(offset);
    if (before !== undefined && before !== value) {
      report(
        "inconsistent-offsets",
        `${name} at ${offset}: ${before}, ${value}`,
      );
    }
    values.set(offset, value);
  };
  for (const [name, { records }] of history.logs) {
    for (const { offset, value } of records) note(name, offset, value);
  }
  for (const poll of history.polls) {
    if (!keepsAll(each, poll.topic)) continue;
    for (const { offset, value } of poll.records) {
      note(nameOf(poll), offset, value);
    }
  }
  for (const send of history.sends) {
    if (send.ending !== "ok" || send.offset < 0) continue;
    if (mustStay(each, send)) note(nameOf(send), send.offset, send.value);
  }
}

/** Whether the end of the run must show the acknowledged `send`. */
function mustStay(each: Case, send: Send): boolean {
  if (send.transaction !== undefined && !keepsTransactions(each)) return false;
  if (keepsAll(each, send.topic)) return true;
  const created = each.history.changes
    .filter(({ change, topic }) => change === "create" && topic === send.topic)
    .reduce((latest, { endMs }) => Math.max(latest, endMs), -1);
  const isDurable = each.topics.get(send.topic)?.isDurable === true;
  const sinceMs = Math.max(
    created,
    isDurable ? -1 : each.lastLossMs,
    each.history.damagesMs?.get(send.topic) ?? -1,
    each.history.uncleanMs?.get(nameOf(send)) ?? -1,
  );
  return send.invokeMs > sinceMs && !isBeingDeleted(each, send);
}

/** Whether its topic was perhaps deleted after it was sent. */
function isBeingDeleted({ history }: Case, send: Send): boolean {
  return history.changes.some(({ change, topic, ending, endMs }) =>
    topic === send.topic && change === "delete" &&
    ending !== "fail" && (ending === "info" || endMs >= send.invokeMs)
  );
}

/** Acknowledged is kept; so is what was read. */
function checkSends(each: Case): void {
  const { history, report } = each;
  const kept = keptValues(history);
  const supersedes = superseding(history);
  const demand = (
    send: { readonly topic: string; readonly partition: number },
    { offset, value, how }: { offset: number; value: string; how: string },
  ) => {
    const log = history.logs.get(nameOf(send));
    if (log === undefined) {
      report("lost-write", `${nameOf(send)} is gone, and ${value} with it`);
      return;
    }
    if (supersedes(nameOf(send), value, offset)) return;
    if (offset >= 0 && offset < log.start) {
      if (each.topics.get(send.topic)?.isRetained) return;
      report("lost-write", `${nameOf(send)} begins at ${log.start}: ${value}`);
      return;
    }
    if (kept.get(nameOf(send))?.has(value)) return;
    const isShort = offset < 0 || offset >= log.end;
    report(
      isShort ? "unseen" : "lost-write",
      `${
        nameOf(send)
      } at ${offset}: ${value} was ${how}, log ${log.start} to ${log.end}`,
    );
  };
  for (const send of history.sends) {
    if (send.ending !== "ok" || !mustStay(each, send)) continue;
    const isRetained = each.topics.get(send.topic)?.isRetained;
    if (send.offset < 0 && isRetained) continue;
    demand(send, { ...send, how: `acknowledged at ${send.endMs}` });
  }
  for (const poll of history.polls) {
    if (!keepsAll(each, poll.topic)) continue;
    const isCommitted = history.committedReaders.has(poll.group);
    for (const seen of poll.records) {
      // What is not committed yet may never be.
      const send = each.sends.get(seen.value);
      if (send?.transaction !== undefined && !isCommitted) continue;
      demand(poll, { ...seen, how: `read by ${poll.consumer}` });
    }
  }
}

/**
 * Of a compacted topic, whether a record may be gone: it says that its key is,
 * or a later one of its key is there, or was perhaps there to say so.
 */
function superseding(history: History) {
  const topics = new Map(history.topics.map((topic) => [topic.name, topic]));
  const sends = new Map(history.sends.map((send) => [send.value, send]));
  const latest = new Map<string, number>();
  const note = (name: string, key: string | undefined, offset: number) => {
    const id = `${name} ${key}`;
    latest.set(id, Math.max(latest.get(id) ?? -1, offset));
  };
  for (const [name, { records }] of history.logs) {
    if (!topics.get(topicOf(name))?.isCompacted) continue;
    for (const { offset, value } of records) {
      note(name, sends.get(value)?.key, offset);
    }
  }
  for (const send of history.sends) {
    if (!send.isTombstone || send.ending === "fail") continue;
    note(nameOf(send), send.key, send.offset < 0 ? Infinity : send.offset);
  }
  return (name: string, value: string, offset: number): boolean => {
    const send = sends.get(value);
    if (!topics.get(topicOf(name))?.isCompacted || !send) return false;
    return send.isTombstone === true ||
      (latest.get(`${name} ${send.key}`) ?? -1) > offset;
  };
}

/**
 * Of the logs as they were found in the end, the records that every reader
 * finds: a compaction may yet take others away, before a group comes that far.
 */
export function lastingRecords(
  history: History,
): Map<string, readonly Seen[]> {
  const mayGo = superseding(history);
  return new Map(
    Array.from(history.logs, ([name, { records }]) => [
      name,
      records.filter(({ value, offset }) => !mayGo(name, value, offset)),
    ]),
  );
}

function keptValues({ logs }: History): Map<string, Set<string>> {
  return new Map(
    Array.from(logs, ([name, { records }]) => [
      name,
      new Set(records.map(({ value }) => value)),
    ]),
  );
}

/**
 * Offsets rise as sends do, of an idempotent producer and of one that has a
 * single request in flight.
 */
function checkOrder(each: Case): void {
  const last = new Map<string, Send>();
  for (const send of each.history.sends) {
    if (send.ending !== "ok" || send.offset < 0) continue;
    if (!send.isIdempotent && send.inFlightMax > 1) continue;
    if (!keepsAll(each, send.topic)) continue;
    const key = `${send.producer} ${nameOf(send)}`;
    const before = last.get(key);
    if (before !== undefined && before.offset >= send.offset) {
      each.report(
        "nonmonotonic-send",
        `${
          nameOf(send)
        }: ${before.value} at ${before.offset}, then ${send.value} at ${send.offset}`,
      );
    }
    last.set(key, send);
  }
}

/** As long as a partition stays assigned, it is read on and on, without gaps. */
function checkPolls(each: Case): void {
  const { history, report } = each;
  const lasts = new Map<string, Poll>();
  for (const poll of history.polls) {
    checkWithinPoll(poll, report);
    if (!keepsAll(each, poll.topic)) continue;
    const key = `${poll.consumer} ${nameOf(poll)} ${poll.assignment}`;
    const last = lasts.get(key);
    lasts.set(key, poll);
    if (last === undefined) continue;
    const from = last.records.at(-1)!.offset;
    const to = poll.records[0]!.offset;
    const where = `${nameOf(poll)} by ${poll.consumer}: ${to} after ${from}`;
    if (to <= from) report("nonmonotonic-poll", where);
    else if (
      to > from + 1 && !each.topics.get(poll.topic)?.isRetained &&
      isSkip(each.lasting.get(nameOf(poll)), from, to)
    ) {
      report("poll-skip", where);
    }
    // A new leader knows only later how far all of them are.
    if (!history.isCluster && poll.highWatermark < last.highWatermark) {
      report(
        "high-watermark-fell",
        `${
          nameOf(poll)
        } for ${poll.consumer}: ${poll.highWatermark} after ${last.highWatermark}`,
      );
    }
  }
}

function checkWithinPoll(
  { records, highWatermark, consumer, ...partition }: Poll,
  report: Case["report"],
): void {
  const where = `${nameOf(partition)} by ${consumer}`;
  for (const [i, { offset }] of records.entries()) {
    if (i > 0 && offset <= records[i - 1]!.offset) {
      report("int-nonmonotonic-poll", `${where} at ${offset}`);
    }
    if (offset >= highWatermark) {
      report("precommitted-read", `${where} at ${offset} of ${highWatermark}`);
    }
  }
}

function isSkip(
  records: readonly Seen[] = [],
  from: number,
  to: number,
): boolean {
  return records.some(({ offset }) => offset > from && offset < to);
}

/** Each group has seen everything that is there in the end; retention may outrun it. */
function checkGroups(each: Case): void {
  const { history, report } = each;
  for (const [group, topics] of history.groups) {
    const seen = new Map<string, Set<string>>();
    for (const poll of history.polls) {
      if (poll.group !== group) continue;
      const values = seen.get(nameOf(poll)) ?? new Set();
      for (const { value } of poll.records) values.add(value);
      seen.set(nameOf(poll), values);
    }
    for (const [name, records] of each.lasting) {
      const topic = topicOf(name);
      if (!topics.includes(topic) || !keepsAll(each, topic)) continue;
      if (each.topics.get(topic)?.isRetained) continue;
      for (const { offset, value } of records) {
        if (seen.get(name)?.has(value)) continue;
        report(
          "unseen",
          `${name} at ${offset}: group ${group} never read ${value}`,
        );
      }
    }
  }
}

/** A committed offset never goes back behind one that was promised. */
function checkCommits(each: Case): void {
  const { history, report, lastLossMs } = each;
  for (const [group, found] of history.committed) {
    const promised = new Map<string, number>();
    for (const { group: of, invokeMs, offsets, ending } of history.commits) {
      if (of !== group || ending !== "ok" || invokeMs < lastLossMs) continue;
      for (const [name, offset] of offsets) promised.set(name, offset);
    }
    for (const [name, offset] of promised) {
      const topic = each.topics.get(topicOf(name));
      if (topic === undefined || topic.isChurned) continue;
      if (history.damagesMs?.has(topic.name)) continue;
      if (history.uncleanMs?.has(name)) continue;
      if (!topic.isDurable && lastLossMs >= 0) continue;
      if ((found.get(name) ?? -1) >= offset) continue;
      report(
        "lost-commit",
        `group ${group} committed ${offset} of ${name}, found ${
          found.get(name)
        }`,
      );
    }
  }
}

/** Topics are there, with all partitions, exactly when somebody was told so. */
function checkTopics({ history, report }: Case): void {
  for (const { name } of history.topics) {
    const changes = history.changes.filter(({ topic }) => topic === name);
    const count = [...history.logs.keys()]
      .filter((log) => topicOf(log) === name).length;
    const afters = (wanted: Ending) =>
      changes.filter(({ ending }) => ending === wanted)
        .map(({ change, partitions }) => change === "delete" ? 0 : partitions);
    // What nobody knows of may have been done at any time, also late.
    const possible = new Set([...afters("info"), ...afters("ok").slice(-1)]);
    // A broker that got no answer forwards it again: the first may come late, to
    // a topic that was deleted, created and has fewer by now.
    const last = afters("ok").at(-1) ?? 0;
    for (const { change, partitions } of changes) {
      const isLate = history.isCluster && change === "grow" &&
        partitions > last;
      if (isLate) possible.add(partitions);
    }
    if (changes.length > 0 && !possible.has(count)) {
      report(
        "lost-topic",
        `${name} has ${count} partitions, not ${[...possible].join(" or ")}`,
      );
    }
  }
}

/** A transaction is there as a whole, or not at all. */
function checkTransactions(each: Case): void {
  const { history, report } = each;
  if (!keepsTransactions(each)) return;
  const kept = keptValues(history);
  const sends = Map.groupBy(history.sends, ({ transaction }) => transaction);
  for (const [transaction, all] of sends) {
    if (transaction === undefined) continue;
    const isWhole = all.every(({ topic }) =>
      keepsAll(each, topic) && !each.topics.get(topic)?.isRetained &&
      !each.topics.get(topic)?.isCompacted
    );
    if (!isWhole) continue;
    const there = all.filter((send) => kept.get(nameOf(send))?.has(send.value));
    if (there.length === 0 || there.length === all.length) continue;
    report(
      "torn-transaction",
      `${transaction.id} ${transaction.number}: ${there.length} of ${all.length} records are there`,
    );
  }
}

/** The offset that stays is of the last transaction that was committed. */
function checkTransactionOffsets(each: Case): void {
  const { history, report } = each;
  for (const [id, all] of Map.groupBy(history.transactions, ({ id }) => id)) {
    const [found] = history.committed.get(`of-${id}`)?.values() ?? [];
    const owner = all.find(({ number }) => number === found);
    if (owner?.ending === "fail") {
      report("G1a", `${id} ${found} was aborted, and its offset committed`);
    }
    if (!keepsTransactions(each)) continue;
    const last = all.filter(({ ending, commitsOffset }) =>
      ending === "ok" && commitsOffset
    ).reduce<Transaction | undefined>(
      (a, b) => a === undefined || b.endMs > a.endMs ? b : a,
      undefined,
    );
    if (last === undefined || owner === last) continue;
    if (owner !== undefined && owner.endMs >= last.endingMs) continue;
    report("lost-commit", `${id} committed ${last.number}, found ${found}`);
  }
}
