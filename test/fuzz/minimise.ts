const MAX_TRIES = 3000;

/** A shorter and plainer input for which `fails` still holds, by leaving out stretches and setting bytes to zero. */
export async function minimise(input: Buffer, fails: (input: Buffer) => Promise<boolean>): Promise<Buffer> {
  let best = input;
  let tries = 0;
  const attempt = async (candidate: Buffer): Promise<boolean> => {
    if (candidate.equals(best) || ++tries > MAX_TRIES || !(await fails(candidate))) return false;
    best = candidate;
    return true;
  };
  for (let size = Math.ceil(best.length / 2); size >= 1; size = size === 1 ? 0 : Math.ceil(size / 2))
    for (let at = 0; at < best.length && tries < MAX_TRIES; )
      if (!(await attempt(Buffer.concat([best.subarray(0, at), best.subarray(at + size)])))) at += size;
  for (let at = 0; at < best.length && tries < MAX_TRIES; at++) {
    const zeroed = Buffer.from(best);
    zeroed[at] = 0;
    await attempt(zeroed);
  }
  return best;
}
