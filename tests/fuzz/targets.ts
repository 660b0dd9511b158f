/**
 * Every fuzz target in one list.
 *
 * @module
 */
import type { FuzzTarget } from "./target.ts";
import { answers } from "./targets/answers.ts";
import { batches } from "./targets/batches.ts";
import { codecs } from "./targets/codecs.ts";
import { expressions } from "./targets/expressions.ts";
import { frames } from "./targets/frames.ts";
import { recovery } from "./targets/recovery.ts";
import { stored } from "./targets/stored.ts";
import { texts } from "./targets/texts.ts";
import { wire } from "./targets/wire.ts";

export const TARGETS: readonly FuzzTarget[] = [
  wire,
  stored,
  batches,
  codecs,
  texts,
  expressions,
  frames,
  recovery,
  answers,
];
