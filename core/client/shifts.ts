/**
 * The shortest way to bring one unit of load from a node to one that has less,
 * through others if need be: each step hands one item on. Pure graph search.
 *
 * @module
 */

/** One step: `item` goes from one node to another. */
export interface Shift<T> {
  readonly item: T;
  readonly from: number;
  readonly to: number;
}

/** Where {@linkcode shortestShift} may go. */
export interface ShiftOptions<T> {
  /** All nodes, the wanted ends first. */
  readonly nodes: readonly number[];
  readonly isGoal: (id: number) => boolean;
  /** What could be handed from one to the other. */
  readonly between: (from: number, to: number) => T | undefined;
}

/**
 * The steps from `from` to the nearest goal, the last one first, so that each
 * is possible when those before it are done; undefined when there is no way. No
 * item is handed on twice.
 */
export function shortestShift<T>(
  from: number,
  { nodes, isGoal, between }: ShiftOptions<T>,
): Shift<T>[] | undefined {
  const cameBy = new Map<number, Shift<T> | undefined>([[from, undefined]]);
  const pathTo = (id: number): Shift<T>[] => {
    const path: Shift<T>[] = [];
    for (let step = cameBy.get(id); step; step = cameBy.get(step.from)) {
      path.push(step);
    }
    return path;
  };
  for (const node of cameBy.keys()) {
    for (const to of nodes) {
      if (cameBy.has(to)) continue;
      const item = between(node, to);
      if (item === undefined) continue;
      // A second step of one item would rest on what the first made of it.
      if (pathTo(node).some((step) => step.item === item)) continue;
      cameBy.set(to, { item, from: node, to });
      if (isGoal(to)) return pathTo(to);
    }
  }
  return undefined;
}
