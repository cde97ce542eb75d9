/** The SHA-256 of a file, read piece by piece. */

import { sha256 } from '@noble/hashes/sha2.js';

const PIECE = 4 << 20;

/** The hash in base64; `onProgress` hears how many bytes are done. */
export async function hashOf(
  file: Blob,
  onProgress: (bytesDone: number) => void,
  piece = PIECE,
): Promise<string> {
  const digest = sha256.create();
  for (let start = 0; start < file.size; start += piece) {
    const part = file.slice(start, start + piece);
    digest.update(new Uint8Array(await part.arrayBuffer()));
    onProgress(Math.min(start + piece, file.size));
  }
  return btoa(String.fromCharCode(...digest.digest()));
}
