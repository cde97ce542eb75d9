/** Short news of what was done, shown for a while and read out. */

import { useEffect, useSyncExternalStore } from 'react';
import css from './announce.module.css';
import { StateIcon } from './state';

const SHOWN_MS = 6000;
let news: { text: string; id: number } | null = null;
const listeners = new Set<() => void>();

export function announce(text: string): void {
  news = { text, id: Date.now() };
  for (const listener of listeners) listener();
}

function clear(): void {
  news = null;
  for (const listener of listeners) listener();
}

function subscribe(listener: () => void): () => void {
  listeners.add(listener);
  return () => listeners.delete(listener);
}

export function Announcements() {
  const current = useSyncExternalStore(subscribe, () => news);
  useEffect(() => {
    if (!current) return;
    const timer = setTimeout(clear, SHOWN_MS);
    return () => clearTimeout(timer);
  }, [current]);
  return (
    <div className={css.place} role="status" aria-live="polite">
      {current && (
        <div key={current.id} className={css.news}>
          <StateIcon state="Succeeded" />
          {current.text}
        </div>
      )}
    </div>
  );
}
