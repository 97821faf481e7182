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
  readonly world: World;
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
    nodes.push({ world, from, by, certain: [] });
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
    if (node === undefined) break;
    const what = model.wrong(node.world);
    if (what !== null) return verdict(0, what, at);
    for (const { name, isCertain, to } of model.next(node.world)) {
      transitions++;
      const target = visit(to, at, name);
      if (isCertain && target !== at) node.certain.push(target);
    }
  }
  const { ends, finals } = whatEnds(nodes, model.isFinal);
  const stuck = ends.indexOf(0);
  return stuck === -1 ? verdict(finals) : verdict(finals, "it can neither finish nor go back from here", stuck);
}

/** Which worlds lead to a final one, found from those backwards. */
function whatEnds<World>(nodes: readonly Node<World>[], isFinal: (world: World) => boolean): { ends: Uint8Array; finals: number } {
  const before: number[][] = nodes.map(() => []);
  for (const [at, { certain }] of nodes.entries()) for (const target of certain) before[target]?.push(at);
  const ends = new Uint8Array(nodes.length);
  const open = nodes.flatMap(({ world }, at) => (isFinal(world) ? [at] : []));
  const finals = open.length;
  for (let at = open.pop(); at !== undefined; at = open.pop()) {
    if (ends[at] === 1) continue;
    ends[at] = 1;
    open.push(...(before[at] ?? []));
  }
  return { ends, finals };
}

function traceTo<World>(nodes: readonly Node<World>[], to: number): string[] {
  const lines: string[] = [JSON.stringify(nodes[to]?.world)];
  for (let at = to; at > 0; at = nodes[at]?.from ?? -1) lines.unshift(nodes[at]?.by ?? "");
  return lines;
}
