import { Buffer } from 'node:buffer';

/** Strings and (nested) arrays of them in MessagePack, as Redis' own `cmsgpack.unpack` reads it: one argument a commit. */
export class MessagePackWriter {
  private bytes: Buffer;
  private at = 0;

  constructor(initialBytes = 1 << 16) {
    this.bytes = Buffer.allocUnsafe(initialBytes);
  }

  array(length: number): void {
    this.reserve(5);
    this.bytes[this.at] = 0xdd;
    this.bytes.writeUInt32BE(length, this.at + 1);
    this.at += 5;
  }

  string(text: string): void {
    // Three bytes a UTF-16 unit at most; the length is filled in once the encoder has told it.
    this.reserve(5 + 3 * text.length);
    if (3 * text.length <= 0xffff) {
      const length = this.bytes.write(text, this.at + 3, 'utf8');
      this.bytes[this.at] = 0xda;
      this.bytes[this.at + 1] = length >>> 8;
      this.bytes[this.at + 2] = length & 0xff;
      this.at += 3 + length;
    } else {
      const length = this.bytes.write(text, this.at + 5, 'utf8');
      this.bytes[this.at] = 0xdb;
      this.bytes.writeUInt32BE(length, this.at + 1);
      this.at += 5 + length;
    }
  }

  /** What was written; the writer must not be used afterwards. */
  finish(): Buffer {
    return this.bytes.subarray(0, this.at);
  }

  private reserve(size: number): void {
    if (this.at + size <= this.bytes.length) return;
    const bytes = Buffer.allocUnsafe(Math.max(this.bytes.length * 2, this.at + size));
    this.bytes.copy(bytes, 0, 0, this.at);
    this.bytes = bytes;
  }
}
