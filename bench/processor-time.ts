/** Milliseconds of processor time of this thread. */
function usedMs(): number {
  const { user, system } = process.threadCpuUsage();
  return (user + system) / 1000;
}

/**
 * How many bytes a second of this thread's processor time `work` gets through, as `openssl speed` counts: other programs
 * do not disturb it.
 * @param work does a piece of the work and returns how many bytes it was
 */
export function bytesPerSecond(work: () => number, measureMs = 1500): number {
  work();
  const start = usedMs();
  let bytes = 0;
  while (usedMs() - start < measureMs) bytes += work();
  return (bytes * 1000) / (usedMs() - start);
}
