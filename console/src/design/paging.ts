/**
 * Lists that the server pages forward by opaque tokens: the tokens so far are kept in the history
 * entry, so that Back works and a reload stays on the page.
 */

import { useRouter, useRouterState } from '@tanstack/react-router';

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
  const go = (wanted: string[]) =>
    router.navigate({
      to: '.',
      search: true,
      state: (old: object) => ({ ...old, tokens: wanted }),
      resetScroll: true,
    } as never);
  return {
    token: tokens.at(-1),
    depth: tokens.length,
    next: (token) => go([...tokens, token]),
    previous: () => go(tokens.slice(0, -1)),
    restart: () => go([]),
  };
}
