/** Server state: kept while reading again, retried only where waiting helps. */

import { QueryClient } from '@tanstack/react-query';
import { ApiError } from '../api/errors';

const TRIES = 3;
const LONGEST_MS = 60_000;

export const queryClient = new QueryClient({
  defaultOptions: {
    queries: {
      staleTime: 1_500,
      gcTime: 5 * 60_000,
      retry: (failures, error) =>
        error instanceof ApiError && error.isTransient && failures < TRIES,
      retryDelay: (failures, error) => {
        const asked = error instanceof ApiError ? error.retryAfterSeconds : null;
        return Math.min(asked ? asked * 1000 : 1000 * 2 ** failures, LONGEST_MS);
      },
      refetchIntervalInBackground: false,
      // a browser that calls itself offline still reaches a service on this machine
      networkMode: 'always',
    },
    mutations: { networkMode: 'always' },
  },
});
