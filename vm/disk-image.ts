/** Disk images as files: new layers, copies and merges. `disk-blocks.ts` looks inside. */
export { convertImage, createOverlay, importImage, imageVirtualBytes, type ImageOptions } from "./layer-file.ts";
export { mergeLayers } from "./merge-layers.ts";
