/**
 * How often pages read. One feed tells what was written: every 2 seconds where one thing is followed,
 * every 10 elsewhere, never while hidden. What it does not tell of is asked for every 10 seconds.
 */

import { useQuery, useQueryClient } from '@tanstack/react-query';
import { useEffect, useMemo, useSyncExternalStore } from 'react';
import { ChangeFeed } from '../api/changes';
import { useInstance, useMay } from './me';

export const FOLLOWED_MS = 2_000;
export const LIVE_MS = 10_000;
/** Names and classes change seldom. */
export const NAMES_MS = 5 * 60_000;
/** With the feed: for what changes by the passing of time alone. */
const SELDOM_MS = 60_000;

let isFed = false;
let followers = 0;
const listeners = new Set<() => void>();

/** Of readings that the feed tells of. */
export const live = { refetchInterval: () => (isFed ? SELDOM_MS : LIVE_MS) } as const;
/** The same, of one thing that is followed. */
export const followed = { refetchInterval: () => (isFed ? SELDOM_MS : FOLLOWED_MS) } as const;
/** Of readings that the feed does not tell of. */
export const polled = { refetchInterval: LIVE_MS } as const;

/** Ask the feed often while something moves. */
export function useFollowing(isMoving: boolean): void {
  useEffect(() => {
    if (!isMoving) return;
    const add = (by: number) => {
      followers += by;
      for (const listener of listeners) listener();
    };
    add(1);
    return () => add(-1);
  }, [isMoving]);
}

function subscribe(listener: () => void): () => void {
  listeners.add(listener);
  return () => listeners.delete(listener);
}

/** Ask the feed as long as the frame of the pages stands. */
export function useFeed(): void {
  const instance = useInstance();
  const queries = useQueryClient();
  const { isAllowed } = useMay('management/read');
  const pace = useSyncExternalStore(subscribe, () => (followers > 0 ? FOLLOWED_MS : LIVE_MS));
  const feed = useMemo(() => new ChangeFeed(queries, instance), [queries, instance]);
  const reading = useQuery({
    queryKey: [instance, 'changes'],
    queryFn: ({ signal }) => feed.read(signal),
    enabled: isAllowed,
    refetchInterval: pace,
  });
  isFed = isAllowed && reading.isSuccess;
  useEffect(
    () => () => {
      isFed = false;
    },
    [],
  );
}
