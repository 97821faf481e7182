export { explainBlocks, type ExplainedDevice, type ExplainOptions, type Explanation } from "./explain.ts";
export { KIND_TEXTS, KINDS, type Kind, type KindText } from "./kinds.ts";
export type { KindWeight } from "./weigh.ts";
