/**
 * The assignors by their names in `partition.assignment.strategy`, Kafka's
 * names and the class names of the Java client alike.
 *
 * @module
 */
import type { Assignor } from "./assignor.ts";
import { RANGE } from "./range.ts";
import { ROUND_ROBIN } from "./round_robin.ts";
import { COOPERATIVE_STICKY, STICKY } from "./sticky.ts";

const PACKAGE = "org.apache.kafka.clients.consumer.";

const BY_NAME: ReadonlyMap<string, Assignor> = new Map([
  ...[RANGE, ROUND_ROBIN, STICKY, COOPERATIVE_STICKY]
    .map((assignor): [string, Assignor] => [assignor.name, assignor]),
  [`${PACKAGE}RangeAssignor`, RANGE],
  [`${PACKAGE}RoundRobinAssignor`, ROUND_ROBIN],
  [`${PACKAGE}StickyAssignor`, STICKY],
  [`${PACKAGE}CooperativeStickyAssignor`, COOPERATIVE_STICKY],
]);

/** The assignor called `name`. */
export function assignorNamed(name: string): Assignor | undefined {
  return BY_NAME.get(name);
}
