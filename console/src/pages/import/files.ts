/** The files that are to be imported: hashed in a worker, one after the other. */

import { useCallback, useEffect, useRef, useState } from 'react';
import type { HashAnswer, HashRequest } from './hash.worker';
import workerUrl from './hash.worker.ts?worker&url';

export interface Chosen {
  id: string;
  file: File;
  bytesHashed: number;
  sha256: string | null;
}

export const MANIFEST_NAME = /\.importmanifest\.json$/i;

interface PolicyFactory {
  createPolicy(
    name: string,
    rules: { createScriptURL: (address: string) => string },
  ): { createScriptURL: (address: string) => string };
}

const { trustedTypes } = window as { trustedTypes?: PolicyFactory };

/** Only a worker of our own may be started: the page's policy on trusted types sees to it. */
const policy = trustedTypes?.createPolicy('console', {
  createScriptURL: (address: string) => {
    if (new URL(address, location.href).origin !== location.origin) throw new TypeError(address);
    return address;
  },
});

export function useFiles(): {
  files: Chosen[];
  add: (files: Iterable<File>) => void;
  remove: (id: string) => void;
} {
  const [files, setFiles] = useState<Chosen[]>([]);
  const worker = useRef<Worker | null>(null);
  useEffect(() => () => worker.current?.terminate(), []);

  const start = useCallback(() => {
    if (worker.current) return worker.current;
    const address = policy ? policy.createScriptURL(workerUrl) : workerUrl;
    worker.current = new Worker(address, { type: 'module' });
    worker.current.addEventListener('message', ({ data }: MessageEvent<HashAnswer>) =>
      setFiles((old) =>
        old.map((each) =>
          each.id === data.id
            ? { ...each, bytesHashed: data.bytesDone, sha256: data.sha256 ?? each.sha256 }
            : each,
        ),
      ),
    );
    return worker.current;
  }, []);

  const add = useCallback(
    (given: Iterable<File>) => {
      const fresh = [...given].map((file) => ({
        id: crypto.randomUUID(),
        file,
        bytesHashed: 0,
        sha256: null,
      }));
      setFiles((old) => [
        ...old.filter((each) => !fresh.some((one) => one.file.name === each.file.name)),
        ...fresh,
      ]);
      for (const { id, file } of fresh) start().postMessage({ id, file } satisfies HashRequest);
    },
    [start],
  );

  const remove = useCallback(
    (id: string) => setFiles((old) => old.filter((each) => each.id !== id)),
    [],
  );
  return { files, add, remove };
}
