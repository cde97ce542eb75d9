/** Files straight to the storage, in blocks, several at a time. */

import { body, client, type Schemas, V } from '../../api/client';
import type { Chosen } from './files';

const AT_A_TIME = 4;
const TRIES = 4;
const STORAGE_VERSION = '2021-12-02';

export interface Progress {
  bytesDone: number;
  bytesTotal: number;
}

/** Send all files and the manifest; then have them imported. Returns the id of the import. */
export async function uploadAndImport(
  instanceId: string,
  files: Chosen[],
  manifest: { name: string; text: string },
  friendlyName: string,
  onProgress: (progress: Progress) => void,
  signal: AbortSignal,
): Promise<string> {
  const all = [
    ...files.map((each) => ({ name: each.file.name, content: each.file as Blob })),
    { name: manifest.name, content: new Blob([manifest.text]) },
  ];
  const path = { instanceId };
  const upload = await body(
    client.POST('/deviceUpdate/{instanceId}/uploads', {
      params: { path, query: V },
      body: { files: all.map(({ name }) => ({ name })) },
      signal,
    }),
  );
  await send(upload, all, onProgress, signal);
  const started = await client.POST('/deviceUpdate/{instanceId}/uploads/{uploadId}:import', {
    params: { path: { ...path, uploadId: upload.uploadId }, query: V },
    body: { updates: [{ importManifest: manifest.name, friendlyName: friendlyName || undefined }] },
    signal,
  });
  const location = started.response.headers.get('Operation-Location') ?? '';
  return decodeURIComponent(
    new URL(location, window.location.origin).pathname.split('/').at(-1) ?? '',
  );
}

async function send(
  upload: Schemas['Upload'],
  all: { name: string; content: Blob }[],
  onProgress: (progress: Progress) => void,
  signal: AbortSignal,
): Promise<void> {
  const bytesTotal = all.reduce((sum, each) => sum + each.content.size, 0);
  let bytesDone = 0;
  const jobs = all.flatMap(({ name, content }) => {
    const target = upload.files.find((each) => each.name === name)!;
    return blocksOf(content, upload.maxBlockBytes).map((block) => async () => {
      await put(
        `${target.url}&comp=block&blockid=${encodeURIComponent(block.id)}`,
        block.content,
        signal,
      );
      bytesDone += block.content.size;
      onProgress({ bytesDone, bytesTotal });
    });
  });
  await inTurns(jobs);
  for (const { name, content } of all) {
    const target = upload.files.find((each) => each.name === name)!;
    const ids = blocksOf(content, upload.maxBlockBytes).map(
      (block) => `<Latest>${block.id}</Latest>`,
    );
    const list = `<?xml version="1.0" encoding="utf-8"?><BlockList>${ids.join('')}</BlockList>`;
    await put(`${target.url}&comp=blocklist`, new Blob([list]), signal);
  }
}

interface Block {
  id: string;
  content: Blob;
}

export function blocksOf(content: Blob, size: number): Block[] {
  const blocks: Block[] = [];
  for (let start = 0; start < content.size; start += size) {
    const id = btoa(String(blocks.length).padStart(8, '0'));
    blocks.push({ id, content: content.slice(start, start + size) });
  }
  return blocks;
}

async function inTurns(jobs: (() => Promise<void>)[]): Promise<void> {
  let next = 0;
  const worker = async () => {
    while (next < jobs.length) await jobs[next++]!();
  };
  await Promise.all(Array.from({ length: Math.min(AT_A_TIME, jobs.length) }, worker));
}

/** Send one piece, again if the storage is busy. The address holds a secret: it is never shown. */
async function put(url: string, content: Blob, signal: AbortSignal): Promise<void> {
  for (let tries = 1; ; tries += 1) {
    let status = 0;
    try {
      const response = await fetch(url, {
        method: 'PUT',
        body: content,
        headers: { 'x-ms-version': STORAGE_VERSION },
        signal,
      });
      if (response.ok) return;
      status = response.status;
    } catch (error) {
      if (signal.aborted) throw error;
    }
    const isHopeless = status >= 400 && status < 500 && status !== 408 && status !== 429;
    if (isHopeless || tries === TRIES) {
      throw new Error(
        status
          ? `The storage refused the upload (HTTP ${status}).`
          : 'The storage cannot be reached. Its CORS rule must name the address of this console.',
      );
    }
    await new Promise((resolve) => setTimeout(resolve, 500 * 2 ** tries));
  }
}
