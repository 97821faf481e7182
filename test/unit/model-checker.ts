/** Something that can happen next. */
export interface Transition<World> {
  readonly name: string;
  /** Whether it happens by itself in the end; crashes and what users do may never happen. */
  readonly isCertain: boolean;
  readonly to: World;
}

export interface Model<World> {
  readonly start: World;
  readonly next: (world: World) => readonly Transition<World>[];
  /** What must never be; null when all is well. */
  readonly wrong: (world: World) => string | null;
  readonly isFinal: (world: World) => boolean;
  /** The same for the same worlds, and only for those. */
  readonly key: (world: World) => string;
}

export interface Verdict {
  readonly states: number;
  readonly transitions: number;
  readonly finals: number;
  /** What is wrong, and the shortest way there, a line each; null when nothing is. */
  readonly counterexample: { readonly what: string; readonly trace: readonly string[] } | null;
}

interface Node<World> {
  /** Null once it was looked at: there are very many. */
  world: World | null;
  isFinal: boolean;
  readonly from: number;
  readonly by: string;
  /** Where it leads by itself. */
  readonly certain: number[];
}

/**
 * Explicit-state model checking: every world that can be reached is visited, nearest first, and looked at; then it is made sure
 * that from each one a final world is reached by what happens by itself.
 * @throws Error past `limit` worlds
 */
export function check<World>(model: Model<World>, limit = 2_000_000): Verdict {
  const numbers = new Map<string, number>();
  const nodes: Node<World>[] = [];
  let transitions = 0;
  const visit = (world: World, from: number, by: string): number => {
    const key = model.key(world);
    const known = numbers.get(key);
    if (known !== undefined) return known;
    if (nodes.length >= limit) throw new Error(`more than ${limit} states`);
    numbers.set(key, nodes.length);
    nodes.push({ world, isFinal: false, from, by, certain: [] });
    return nodes.length - 1;
  };
  const verdict = (finals: number, what?: string, at = 0): Verdict => ({
    states: nodes.length,
    transitions,
    finals,
    counterexample: what === undefined ? null : { what, trace: traceTo(nodes, at) },
  });
  visit(model.start, -1, "");
  for (let at = 0; at < nodes.length; at++) {
    const node = nodes[at];
    const world = node?.world ?? null;
    if (node === undefined || world === null) break;
    const what = model.wrong(world);
    if (what !== null) return verdict(0, what, at);
    node.isFinal = model.isFinal(world);
    node.world = null;
    for (const { name, isCertain, to } of model.next(world)) {
      transitions++;
      const target = visit(to, at, name);
      if (isCertain && target !== at) node.certain.push(target);
    }
  }
  const { ends, finals } = whatEnds(nodes);
  const stuck = ends.indexOf(0);
  return stuck === -1 ? verdict(finals) : verdict(finals, "it can neither finish nor go back from here", stuck);
}

/** Which worlds lead to a final one, found from those backwards. */
function whatEnds<World>(nodes: readonly Node<World>[]): { ends: Uint8Array; finals: number } {
  const before: number[][] = nodes.map(() => []);
  for (const [at, { certain }] of nodes.entries()) for (const target of certain) before[target]?.push(at);
  const ends = new Uint8Array(nodes.length);
  const open = nodes.flatMap(({ isFinal }, at) => (isFinal ? [at] : []));
  const finals = open.length;
  for (let at = open.pop(); at !== undefined; at = open.pop()) {
    if (ends[at] === 1) continue;
    ends[at] = 1;
    open.push(...(before[at] ?? []));
  }
  return { ends, finals };
}

function traceTo<World>(nodes: readonly Node<World>[], to: number): string[] {
  const world = nodes[to]?.world ?? null;
  const lines: string[] = world === null ? [] : [JSON.stringify(world)];
  for (let at = to; at > 0; at = nodes[at]?.from ?? -1) lines.unshift(nodes[at]?.by ?? "");
  return lines;
}
