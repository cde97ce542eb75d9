/** The instance as a whole: what needs somebody, how it went over time, what is installed. */

import { queryOptions } from '@tanstack/react-query';
import { body, client, type Schemas, type UpdateId, V } from './client';

const I = '/deviceUpdate/{instanceId}';
export type AttentionItem = Schemas['AttentionItem'];
export type ComplianceHistory = Schemas['ComplianceHistory'];

export const attentionQuery = (instanceId: string) =>
  queryOptions({
    queryKey: [instanceId, 'attention'],
    queryFn: ({ signal }) =>
      body(
        client.GET(`${I}/management/attention`, {
          params: { path: { instanceId }, query: V },
          signal,
        }),
      ).then((list) => list.value),
  });

/** How long a history is shown before it is read again. */
export const HISTORY_MS = 60_000;

export const historyOfCompliance = (instanceId: string) =>
  queryOptions({
    queryKey: [instanceId, 'compliance', 'history'],
    queryFn: ({ signal }) =>
      body(
        client.GET(`${I}/management/updateCompliance/history`, {
          params: { path: { instanceId }, query: V },
          signal,
        }),
      ),
  });

export const historyOfGroup = (instanceId: string, groupId: string) =>
  queryOptions({
    queryKey: [instanceId, 'groups', groupId, 'compliance', 'history'],
    queryFn: ({ signal }) =>
      body(
        client.GET(`${I}/management/groups/{groupId}/updateCompliance/history`, {
          params: { path: { instanceId, groupId }, query: V },
          signal,
        }),
      ),
  });

export const installedQuery = (instanceId: string) =>
  queryOptions({
    queryKey: [instanceId, 'installed'],
    queryFn: ({ signal }) =>
      body(
        client.GET(`${I}/management/installedUpdates`, {
          params: { path: { instanceId }, query: V },
          signal,
        }),
      ).then((list) => list.value),
  });

export const usageQuery = (instanceId: string, id: UpdateId) =>
  queryOptions({
    queryKey: [instanceId, 'updates', 'usage', id.provider, id.name, id.version],
    queryFn: ({ signal }) =>
      body(
        client.GET(`${I}/updates/providers/{provider}/names/{name}/versions/{version}/usage`, {
          params: { path: { instanceId, ...id }, query: V },
          signal,
        }),
      ),
  });

export const searchQuery = (instanceId: string, q: string) =>
  queryOptions({
    queryKey: [instanceId, 'search', q],
    queryFn: ({ signal }) =>
      body(
        client.GET(`${I}/search`, { params: { path: { instanceId }, query: { ...V, q } }, signal }),
      ).then((list) => list.value),
    staleTime: 30_000,
  });
