/** When the service was last heard, for the sign of life in the head. */

import { useSyncExternalStore } from 'react';

export interface Freshness {
  heardAt: number;
  isLost: boolean;
}

let state: Freshness = { heardAt: Date.now(), isLost: false };
const listeners = new Set<() => void>();

function set(next: Freshness): void {
  state = next;
  for (const listener of listeners) listener();
}

export const freshness = {
  heard: () => set({ heardAt: Date.now(), isLost: false }),
  lost: () => set({ ...state, isLost: true }),
};

function subscribe(listener: () => void): () => void {
  listeners.add(listener);
  return () => listeners.delete(listener);
}

export function useFreshness(): Freshness {
  return useSyncExternalStore(subscribe, () => state);
}
