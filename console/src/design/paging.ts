/**
 * Lists that the server pages forward by opaque tokens: the tokens so far are kept in the history
 * entry, so that Back works and a reload stays on the page.
 */

import { useRouter, useRouterState } from '@tanstack/react-router';
import { useState } from 'react';

declare module '@tanstack/history' {
  interface HistoryState {
    tokens?: string[];
  }
}

export interface Paging {
  token: string | undefined;
  /** How many pages lie before this one. */
  depth: number;
  next: (token: string) => void;
  previous: () => void;
  restart: () => void;
}

export function usePaging(): Paging {
  const router = useRouter();
  const tokens = useRouterState({ select: (state) => state.location.state.tokens }) ?? [];
  return through(tokens, (wanted) =>
    router.navigate({
      to: '.',
      search: true,
      state: (old: object) => ({ ...old, tokens: wanted }),
      resetScroll: true,
    } as never),
  );
}

/** The same for a list that is one part of its page: a reload begins it anew. */
export function useLocalPaging(): Paging {
  const [tokens, setTokens] = useState<string[]>([]);
  return through(tokens, setTokens);
}

function through(tokens: string[], go: (wanted: string[]) => void): Paging {
  return {
    token: tokens.at(-1),
    depth: tokens.length,
    next: (token) => go([...tokens, token]),
    previous: () => go(tokens.slice(0, -1)),
    restart: () => go([]),
  };
}
