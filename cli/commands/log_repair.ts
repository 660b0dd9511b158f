/**
 * `kf log repair`: what is wrong in a stopped broker's folder, and mending it.
 *
 * @module
 */
import type {
  OpenRepair,
  RepairAction,
  RepairFinding,
} from "../../core/repair.ts";
import type { Call } from "../command.ts";
import { confirm, requireAnswer } from "../confirm.ts";
import { ItemsFailed } from "../failure.ts";
import { printable, printAnswer, say } from "../output.ts";
import type { Settings } from "../settings.ts";
import { printOut, wholePath } from "../terminal.ts";
import { formatBytes } from "../units.ts";

const DONE: Readonly<Record<RepairAction, string>> = {
  cut: "cut off here",
  drop: "taken out of the log",
  rebuild: "made anew from the log",
  rewrite: "written anew with the lines that can be read",
  remove: "taken away: the next start scans the logs",
  none: "left as it is",
};

/** Runs `kf log repair`. */
export async function run(call: Call): Promise<void> {
  const { args, flags, settings } = call;
  const named = args[0] ?? "";
  // A partition is known by the name of its folder.
  const path = /(^|\/)\.{1,2}\/*$/.test(named) ? wholePath(named) : named;
  const question = `Change the files in ${path}?`;
  const isDry = flags.has("dry-run");
  if (!isDry) requireAnswer(call, question);
  const { openRepair } = await import("../../core/repair.ts");
  using repair = openRepair(path);
  const { findings } = repair;
  const due = findings.filter(({ action }) => action !== "none");
  if (findings.length === 0) {
    await print([], { settings, isDone: false });
    return say("nothing is wrong", settings);
  }
  if (isDry || due.length === 0) {
    await print(findings, { settings, isDone: false });
    say(`${counted(findings)}, nothing was changed`, settings);
  } else await mend(call, { repair, question });
  const left = findings.length - due.length;
  if (left > 0) throw new ItemsFailed(`${left} problems are left`);
}

/** Asks unless told not to, and does it. */
async function mend(
  call: Call,
  { repair, question }: {
    readonly repair: OpenRepair;
    readonly question: string;
  },
): Promise<void> {
  const { settings, flags } = call;
  const { findings } = repair;
  if (!flags.has("yes")) {
    await print(findings, { settings, isDone: false });
    if (!await confirm(call, question)) {
      return say("nothing was changed", settings);
    }
  }
  await repair.apply();
  if (flags.has("yes")) await print(findings, { settings, isDone: true });
  const left = findings.filter(({ action }) => action === "none").length;
  say(
    left === 0
      ? `${counted(findings)} repaired`
      : `${counted(findings)}, of which ${left} can't be repaired here`,
    settings,
  );
}

function counted({ length }: readonly RepairFinding[]): string {
  return length === 1 ? "1 problem" : `${length} problems`;
}

/** Prints what is wrong, and what was, or would be, done about it. */
async function print(
  findings: readonly RepairFinding[],
  { settings, isDone }: {
    readonly settings: Settings;
    readonly isDone: boolean;
  },
): Promise<void> {
  if (settings.format === "text") {
    const texts = findings.map((finding) => textOf(finding, isDone));
    return printOut(texts.join(""));
  }
  const rows = findings.map(({ lost, ...finding }) => ({
    ...finding,
    lostBytes: lost?.bytes ?? null,
    lostRecords: lost?.records ?? null,
    lostFromOffset: lost?.firstOffset ?? null,
    lostToOffset: lost?.lastOffset ?? null,
    isDone: isDone && finding.action !== "none",
  }));
  const columns = [
    ...["file", "position", "problem", "action", "kept", "remedy"],
    ...["lostBytes", "lostRecords", "lostFromOffset", "lostToOffset", "isDone"],
  ] as const;
  await printAnswer({
    json: rows,
    columns,
    rows: rows.map((row) =>
      columns.map((name) => row[name as keyof typeof row])
    ),
  }, settings);
}

function textOf(finding: RepairFinding, isDone: boolean): string {
  const { file, position, problem, action, lost, kept, remedy } = finding;
  const told = [
    (isDone || action === "none" ? "" : "would be ") + DONE[action] +
    (remedy === null ? "" : `: ${remedy}`),
    ...lost === null ? [] : [
      `${formatBytes(lost.bytes)}, ${lost.records} ${
        lost.records === 1 ? "record" : "records"
      } from offset ${lost.firstOffset}${
        lost.lastOffset === null ? "" : ` to ${lost.lastOffset}`
      }`,
    ],
    ...kept === null ? [] : [`kept in ${kept}`],
  ];
  return printable(`${file} at ${position}: ${problem}`) + "\n  " +
    printable(told.join("; ")) + "\n";
}
