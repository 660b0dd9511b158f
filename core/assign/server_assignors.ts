/**
 * The assignors that brokers run for consumer groups, by their names in
 * `group.consumer.assignors`.
 *
 * @module
 */
import type { Assignor } from "./assignor.ts";
import { RANGE } from "./range.ts";
import { UNIFORM } from "./uniform.ts";

/** Kafka's, in the order of its default. */
export const SERVER_ASSIGNORS: ReadonlyMap<string, Assignor> = new Map(
  [UNIFORM, RANGE].map((assignor) => [assignor.name, assignor]),
);
