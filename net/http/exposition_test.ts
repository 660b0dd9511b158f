/**
 * The two text formats, and who gets which.
 *
 * @module
 */
import { assertEquals, assertMatch } from "@std/assert";
import { expose, type Metric } from "./exposition.ts";

const METRICS: Metric[] = [
  {
    name: "a_total",
    type: "counter",
    help: "Counts.",
    samples: [{ value: 3 }, { labels: { topic: 'q"\\\n' }, value: 1e21 }],
  },
  {
    name: "h",
    type: "histogram",
    help: "Times.",
    samples: [
      { suffix: "_bucket", labels: { le: 1 }, value: 0 },
      { suffix: "_bucket", labels: { le: Infinity }, value: 2 },
      { suffix: "_sum", labels: {}, value: 2.5 },
    ],
  },
  { name: "g", type: "gauge", help: "None.", samples: [{ value: NaN }] },
];

Deno.test("scrapers get Prometheus' text", () => {
  assertEquals(expose(METRICS, ""), {
    type: "text/plain; version=0.0.4; charset=utf-8",
    body: `# HELP a_total Counts.
# TYPE a_total counter
a_total 3
a_total{topic="q\\"\\\\\\n"} 1e+21
# HELP h Times.
# TYPE h histogram
h_bucket{le="1"} 0
h_bucket{le="+Inf"} 2
h_sum 2.5
# HELP g None.
# TYPE g gauge
g NaN
`,
  });
});

Deno.test("OpenMetrics names counters without _total, has points and an end", () => {
  const { type, body } = expose(METRICS, "application/openmetrics-text");
  assertEquals(
    type,
    "application/openmetrics-text; version=1.0.0; charset=utf-8",
  );
  assertMatch(body, /^# HELP a Counts.\n# TYPE a counter\na_total 3\n/);
  assertMatch(body, /h_bucket\{le="1\.0"\} 0\nh_bucket\{le="\+Inf"\} 2\n/);
  assertMatch(body, /\n# EOF\n$/);
});

Deno.test("who accepts both gets what is preferred", () => {
  const isOpen = (accept: string) =>
    expose([], accept).type.startsWith("application");
  const prometheus = "application/openmetrics-text;version=1.0.0;q=0.6," +
    "application/openmetrics-text;version=0.0.1;q=0.5," +
    "text/plain;version=0.0.4;q=0.4,*/*;q=0.1";
  assertEquals(isOpen(prometheus), true);
  assertEquals(isOpen("text/plain;version=0.0.4"), false);
  assertEquals(isOpen("*/*"), false);
  assertEquals(isOpen("application/openmetrics-text;q=0, */*"), false);
  assertEquals(
    isOpen("text/plain, application/openmetrics-text;q=0.5"),
    false,
  );
});
