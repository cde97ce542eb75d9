/** Who is signed in and what they may do, as the API says it; never read from the token. */

import { type QueryClient, queryOptions, useQuery } from '@tanstack/react-query';
import { useParams } from '@tanstack/react-router';
import { body, client, V } from '../api/client';

export type Action =
  | 'updates/read'
  | 'updates/write'
  | 'updates/delete'
  | 'management/read'
  | 'management/write'
  | 'management/delete'
  | 'management/approve'
  | 'audit/read'
  | 'operations/read'
  | 'operations/write';

/** The names of the roles that have an action, for saying what somebody lacks. */
const ROLES: Record<Action, string> = {
  'updates/read': 'any role of this instance',
  'updates/write': 'Administrator or Content administrator',
  'updates/delete': 'Administrator or Content administrator',
  'management/read':
    'Reader, Deployments reader, Approver, Deployments administrator or Administrator',
  'management/write': 'Administrator or Deployments administrator',
  'management/delete': 'Administrator or Deployments administrator',
  'management/approve': 'Administrator, Deployments administrator or Approver',
  'audit/read': 'Reader or Administrator',
  'operations/read': 'Administrator',
  'operations/write': 'Administrator',
};

export const meQuery = queryOptions({
  queryKey: ['me'],
  queryFn: ({ signal }) => body(client.GET('/deviceUpdate/me', { params: { query: V }, signal })),
  staleTime: 5 * 60_000,
});

export function useInstance(): string {
  return useParams({ strict: false }).instance ?? '';
}

export interface May {
  isAllowed: boolean;
  /** Whether the service has said already what the person may do. */
  isKnown: boolean;
  /** The roles that have the action. */
  roles: string;
}

/** Whether the service has said already that the person may not do something. */
export function isForbidden(queries: QueryClient, instance: string, action: Action): boolean {
  const me = queries.getQueryData(meQuery.queryKey);
  const here = me?.instances.find((each) => each.id === instance);
  return me !== undefined && !here?.actions.includes(action);
}

/** Whether the person may do something in this instance. */
export function useMay(action: Action): May {
  const instance = useInstance();
  const { data } = useQuery(meQuery);
  const actions = data?.instances.find((each) => each.id === instance)?.actions ?? [];
  return { isAllowed: actions.includes(action), isKnown: data !== undefined, roles: ROLES[action] };
}
