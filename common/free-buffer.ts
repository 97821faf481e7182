/**
 * Gives the memory of data that nobody looks at any more back at once. The garbage collector looks at a heap of small
 * objects that hardly grows, and lets tens of megabytes of used buffers pile up outside of it first. Does nothing to data
 * that shares its memory with other data.
 */
export function freeBuffer(data: Uint8Array | undefined): void {
  if (data?.buffer instanceof ArrayBuffer && data.byteLength === data.buffer.byteLength) data.buffer.transfer(0);
}
