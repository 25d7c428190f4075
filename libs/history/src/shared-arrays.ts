/** Typed arrays that worker threads share instead of copying. */

export const sharedU8 = (length: number): Uint8Array => new Uint8Array(new SharedArrayBuffer(length));
export const sharedU16 = (length: number): Uint16Array => new Uint16Array(new SharedArrayBuffer(length * 2));
export const sharedU32 = (length: number): Uint32Array => new Uint32Array(new SharedArrayBuffer(length * 4));

/** The smallest kind of array that holds indices below `size`. */
export function sharedIndices(length: number, size: number): Uint8Array | Uint16Array | Uint32Array {
  if (size <= 256) return sharedU8(length);
  return size <= 65_536 ? sharedU16(length) : sharedU32(length);
}
