const TABLE = new Uint32Array(256).map((_, index) => {
  let value = index;
  for (let bit = 0; bit < 8; bit++) value = value & 1 ? (value >>> 1) ^ 0xedb88320 : value >>> 1;
  return value;
});

/** zlib's CRC-32 of several pieces, as if they were one. */
export function crc32(...pieces: Uint8Array[]): number {
  let crc = 0xffffffff;
  for (const piece of pieces) {
    for (let i = 0; i < piece.length; i++) crc = (crc >>> 8) ^ TABLE[(crc ^ piece[i]!) & 255]!;
  }
  return (crc ^ 0xffffffff) >>> 0;
}
