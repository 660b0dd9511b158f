/**
 * Metrics as text that scrapers read: Prometheus' format 0.0.4, and
 * OpenMetrics 1.0 for those who ask for it. Owns the formats; it must never
 * know what is measured.
 *
 * @module
 */

/** Names and values that tell samples of one metric apart. */
export type Labels = Readonly<Record<string, string | number>>;

/** One value. */
export interface Sample {
  /** What stands behind the metric's name, as in `_bucket`; nothing: "". */
  readonly suffix?: "_bucket" | "_count" | "_sum";
  readonly labels?: Labels;
  readonly value: number;
}

/** One metric. The name of a counter ends in `_total`. */
export interface Metric {
  readonly name: string;
  readonly type: "counter" | "gauge" | "histogram" | "summary";
  /** A sentence for people, without quotes. */
  readonly help: string;
  readonly samples: readonly Sample[];
}

/** A text and its media type. */
export interface Exposition {
  readonly type: string;
  readonly body: string;
}

/** Labels whose value is a number, which OpenMetrics writes with a point. */
const NUMBERS: ReadonlySet<string> = new Set(["le", "quantile"]);

/** The metrics in the format that `accept`, a request's header, prefers. */
export function expose(
  metrics: readonly Metric[],
  accept: string,
): Exposition {
  const isOpen = prefersOpen(accept);
  const lines: string[] = [];
  for (const { name, type, help, samples } of metrics) {
    const family = isOpen ? name.replace(/_total$/, "") : name;
    lines.push(`# HELP ${family} ${help}`, `# TYPE ${family} ${type}`);
    for (const { suffix = "", labels, value } of samples) {
      const text = labels === undefined ? "" : labelsText(labels, isOpen);
      lines.push(`${name}${suffix}${text} ${numberText(value)}`);
    }
  }
  if (isOpen) lines.push("# EOF");
  return {
    type: isOpen
      ? "application/openmetrics-text; version=1.0.0; charset=utf-8"
      : "text/plain; version=0.0.4; charset=utf-8",
    body: `${lines.join("\n")}\n`,
  };
}

function prefersOpen(accept: string): boolean {
  let open = 0;
  let plain = 0;
  for (const range of accept.toLowerCase().split(",")) {
    const [type, ...parameters] = range.split(";").map((text) => text.trim());
    const weight = parameters.find((text) => text.startsWith("q="));
    const q = weight === undefined ? 1 : Number(weight.slice(2)) || 0;
    if (type === "application/openmetrics-text") open = Math.max(open, q);
    if (type === "text/plain") plain = Math.max(plain, q);
  }
  return open > 0 && open >= plain;
}

function labelsText(labels: Labels, isOpen: boolean): string {
  const parts = Object.entries(labels).map(([name, value]) => {
    const text = typeof value === "number" ? numberText(value) : escape(value);
    const isWhole = isOpen && NUMBERS.has(name) && /^\d+$/.test(text);
    return `${name}="${text}${isWhole ? ".0" : ""}"`;
  });
  return parts.length === 0 ? "" : `{${parts.join(",")}}`;
}

function escape(value: string): string {
  return value.replace(/[\\"\n]/g, (at) => at === "\n" ? "\\n" : `\\${at}`);
}

function numberText(value: number): string {
  if (value === Infinity) return "+Inf";
  return value === -Infinity ? "-Inf" : String(value);
}
