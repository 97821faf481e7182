/**
 * Probabilities and their logits in whole numbers, so that both ends of a link compute the same to the last bit: probabilities
 * in 1/4096, logits in 1/256.
 */
export const PROBABILITY_BITS = 12;
export const MOST_LOGIT = 2047;

/** 4096 / (1 + exp(-x)) for x = -8, -7.5 … 8, rounded, and kept from 0 and 4096. */
const SIGMOID = [
  1, 2, 4, 6, 10, 17, 28, 45, 74, 120, 194, 311, 488, 747, 1102, 1546, 2048, 2550, 2994, 3349, 3608, 3785, 3902, 3976, 4022, 4051, 4068,
  4079, 4086, 4090, 4092, 4094, 4095,
] as const;
const STEP = 128;

/** Probability of a logit, -2048 to 2047. */
export function squash(logit: number): number {
  const from = logit + 2048;
  const i = Math.floor(from / STEP);
  const weight = from % STEP;
  return ((SIGMOID[i] ?? 0) * (STEP - weight) + (SIGMOID[i + 1] ?? 0) * weight + STEP / 2) >> 7;
}

/** squash() of logit - 2048. */
export const SQUASH: Int16Array = Int16Array.from({ length: 4096 }, (_, i) => Math.min(4095, Math.max(1, squash(i - 2048))));

/** The logit of each probability: the lowest that squash() takes to it or beyond. */
export const STRETCH: Int16Array = stretchTable();

function stretchTable(): Int16Array {
  const table = new Int16Array(4096);
  let logit = -MOST_LOGIT;
  for (let probability = 0; probability < 4096; probability++) {
    while (logit < MOST_LOGIT && (SQUASH[logit + 2048] ?? 0) < probability) logit++;
    table[probability] = logit;
  }
  return table;
}
