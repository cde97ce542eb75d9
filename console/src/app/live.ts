/** How often pages read: often where one thing is followed, seldom elsewhere, never while hidden. */

export const FOLLOWED_MS = 2_000;
export const LIVE_MS = 10_000;
/** Names and classes change seldom. */
export const NAMES_MS = 5 * 60_000;

export const followed = { refetchInterval: FOLLOWED_MS } as const;
export const live = { refetchInterval: LIVE_MS } as const;
