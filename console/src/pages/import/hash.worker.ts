/** Hashes one file piece by piece, away from the page. */

import { sha256 } from '@noble/hashes/sha2.js';

export interface HashRequest {
  id: string;
  file: File;
}

export interface HashAnswer {
  id: string;
  bytesDone: number;
  /** The hash in base64, once it is known. */
  sha256?: string;
}

const PIECE = 4 << 20;

addEventListener('message', async ({ data: { id, file } }: MessageEvent<HashRequest>) => {
  const digest = sha256.create();
  for (let start = 0; start < file.size; start += PIECE) {
    const piece = file.slice(start, start + PIECE);
    digest.update(new Uint8Array(await piece.arrayBuffer()));
    postMessage({ id, bytesDone: Math.min(start + PIECE, file.size) } satisfies HashAnswer);
  }
  const hash = btoa(String.fromCharCode(...digest.digest()));
  postMessage({ id, bytesDone: file.size, sha256: hash } satisfies HashAnswer);
});
