/** Hashes one file after the other, away from the page. */

import { hashOf } from './hash';

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

addEventListener('message', async ({ data: { id, file } }: MessageEvent<HashRequest>) => {
  const tell = (answer: Omit<HashAnswer, 'id'>) => postMessage({ id, ...answer });
  const sha256 = await hashOf(file, (bytesDone) => tell({ bytesDone }));
  tell({ bytesDone: file.size, sha256 });
});
