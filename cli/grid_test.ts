/**
 * How rows fit a terminal: what is cut, and when it is no table any more.
 *
 * @module
 */
import { assertEquals } from "@std/assert";
import { type Grid, gridText } from "./grid.ts";

const LAG: Grid = {
  columns: ["topic", "lag", "member"],
  rows: [
    ["orders", "12345", "kf-1da9c028-08df-4ffc-be90"],
    ["users", "6", "-"],
  ],
  isNumeric: [false, true, false],
};

function lines(grid: Grid, width: number): Promise<string[]> {
  return gridText(grid, { isColored: false, width })
    .then((text) => text.split("\n"));
}

Deno.test("what has room is a table, numbers at the right", async () => {
  const whole = [
    "TOPIC     LAG  MEMBER",
    "orders  12345  kf-1da9c028-08df-4ffc-be90",
    "users       6  -",
    "",
  ];
  assertEquals(await lines(LAG, Infinity), whole);
  assertEquals(await lines(LAG, 41), whole);
});

Deno.test("the widest text is cut where half of it is enough", async () => {
  assertEquals(await lines(LAG, 40), [
    "TOPIC     LAG  MEMBER",
    "orders  12345  kf-1da9c028-08df-4ffc-be…",
    "users       6  -",
    "",
  ]);
  assertEquals((await lines(LAG, 28))[1], "orders  12345  kf-1da9c028-…");
});

Deno.test("what can't be cut so far is lines of name and value", async () => {
  const stacked = [
    "TOPIC   orders",
    "LAG     12345",
    "MEMBER  kf-1da9c028-08df-4ffc-be90",
    "",
    "TOPIC   users",
    "LAG     6",
    "MEMBER  -",
    "",
  ];
  assertEquals(await lines(LAG, 27), stacked);
  // Neither names nor numbers are ever cut.
  const named = { ...LAG, rows: [["o".repeat(60), "1", "m"]] };
  assertEquals((await lines(named, 60))[0], `TOPIC   ${"o".repeat(60)}`);
});

Deno.test("characters that take two columns are counted as two", async () => {
  const grid = {
    columns: ["group", "owner"],
    rows: [["주문", "한국어".repeat(5)]],
    isNumeric: [false, false],
  };
  assertEquals((await lines(grid, 37))[1], `주문   ${"한국어".repeat(5)}`);
  assertEquals((await lines(grid, 36))[1], `주문   ${"한국어".repeat(4)}한국…`);
  const named = { ...grid, rows: [["주문", "é👍"]] };
  assertEquals(await lines(named, 12), ["GROUP  OWNER", "주문   é👍", ""]);
});
