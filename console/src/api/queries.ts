/** What is read of the API, with the keys under which it is kept. */

import { queryOptions } from '@tanstack/react-query';
import { NAMES_MS } from '../app/live';
import { body, client, type DeviceClass, everyPage, type UpdateId, V } from './client';

const I = '/deviceUpdate/{instanceId}';

export const groupsQuery = (instanceId: string) =>
  queryOptions({
    queryKey: [instanceId, 'groups'],
    queryFn: ({ signal }) =>
      everyPage((token) =>
        body(
          client.GET(`${I}/management/groups`, {
            params: { path: { instanceId }, query: { ...V, token } },
            signal,
          }),
        ),
      ),
  });

export const groupQuery = (instanceId: string, groupId: string) =>
  queryOptions({
    queryKey: [instanceId, 'groups', groupId],
    queryFn: ({ signal }) =>
      body(
        client.GET(`${I}/management/groups/{groupId}`, {
          params: { path: { instanceId, groupId }, query: V },
          signal,
        }),
      ),
  });

export const classesQuery = (instanceId: string) =>
  queryOptions({
    queryKey: [instanceId, 'classes'],
    queryFn: ({ signal }) =>
      everyPage((token) =>
        body(
          client.GET(`${I}/management/deviceClasses`, {
            params: { path: { instanceId }, query: { ...V, token } },
            signal,
          }),
        ),
      ),
    staleTime: NAMES_MS,
  });

export const complianceQuery = (instanceId: string) =>
  queryOptions({
    queryKey: [instanceId, 'compliance'],
    queryFn: ({ signal }) =>
      body(
        client.GET(`${I}/management/updateCompliance`, {
          params: { path: { instanceId }, query: V },
          signal,
        }),
      ),
  });

export const groupComplianceQuery = (instanceId: string, groupId: string) =>
  queryOptions({
    queryKey: [instanceId, 'groups', groupId, 'compliance'],
    queryFn: ({ signal }) =>
      body(
        client.GET(`${I}/management/groups/{groupId}/updateCompliance`, {
          params: { path: { instanceId, groupId }, query: V },
          signal,
        }),
      ),
  });

export const bestUpdatesQuery = (instanceId: string, groupId: string) =>
  queryOptions({
    queryKey: [instanceId, 'groups', groupId, 'best'],
    queryFn: ({ signal }) =>
      body(
        client.GET(`${I}/management/groups/{groupId}/bestUpdates`, {
          params: { path: { instanceId, groupId }, query: V },
          signal,
        }),
      ).then((page) => page.value),
  });

export const subgroupsQuery = (instanceId: string, groupId: string) =>
  queryOptions({
    queryKey: [instanceId, 'groups', groupId, 'subgroups'],
    queryFn: ({ signal }) =>
      body(
        client.GET(`${I}/management/groups/{groupId}/deviceClassSubgroups`, {
          params: { path: { instanceId, groupId }, query: V },
          signal,
        }),
      ).then((page) => page.value),
  });

export const failuresQuery = (instanceId: string, groupId: string) =>
  queryOptions({
    queryKey: [instanceId, 'groups', groupId, 'failures'],
    queryFn: ({ signal }) =>
      body(
        client.GET(`${I}/management/groups/{groupId}/failures`, {
          params: { path: { instanceId, groupId }, query: V },
          signal,
        }),
      ).then((page) => page.value),
  });

export const groupDeploymentsQuery = (instanceId: string, groupId: string) =>
  queryOptions({
    queryKey: [instanceId, 'groups', groupId, 'deployments'],
    queryFn: ({ signal }) =>
      body(
        client.GET(`${I}/management/groups/{groupId}/deployments`, {
          params: {
            path: { instanceId, groupId },
            query: { ...V, orderby: 'startDateTime desc' },
          },
          signal,
        }),
      ).then((page) => page.value),
  });

export const deploymentQuery = (instanceId: string, groupId: string, deploymentId: string) =>
  queryOptions({
    queryKey: [instanceId, 'groups', groupId, 'deployments', deploymentId],
    queryFn: ({ signal }) =>
      body(
        client.GET(`${I}/management/groups/{groupId}/deployments/{deploymentId}`, {
          params: { path: { instanceId, groupId, deploymentId }, query: V },
          signal,
        }),
      ),
  });

export const statusQuery = (instanceId: string, groupId: string, deploymentId: string) =>
  queryOptions({
    queryKey: [instanceId, 'groups', groupId, 'deployments', deploymentId, 'status'],
    queryFn: ({ signal }) =>
      body(
        client.GET(`${I}/management/groups/{groupId}/deployments/{deploymentId}/status`, {
          params: { path: { instanceId, groupId, deploymentId }, query: V },
          signal,
        }),
      ),
  });

export const connectionsQuery = (instanceId: string) =>
  queryOptions({
    queryKey: [instanceId, 'connections'],
    queryFn: ({ signal }) =>
      body(
        client.GET(`${I}/management/connectionHealth`, {
          params: { path: { instanceId }, query: V },
          signal,
        }),
      ),
  });

export const eventHealthQuery = (instanceId: string) =>
  queryOptions({
    queryKey: [instanceId, 'eventHealth'],
    queryFn: ({ signal }) =>
      body(
        client.GET(`${I}/management/eventHealth`, {
          params: { path: { instanceId }, query: V },
          signal,
        }),
      ),
  });

export const importsQuery = (instanceId: string, top = 6) =>
  queryOptions({
    queryKey: [instanceId, 'imports', top],
    queryFn: ({ signal }) =>
      body(
        client.GET(`${I}/updates/operations`, {
          params: { path: { instanceId }, query: { ...V, top } },
          signal,
        }),
      ).then((page) => page.value),
  });

export const importQuery = (instanceId: string, operationId: string) =>
  queryOptions({
    queryKey: [instanceId, 'imports', 'one', operationId],
    queryFn: ({ signal }) =>
      body(
        client.GET(`${I}/updates/operations/{operationId}`, {
          params: { path: { instanceId, operationId }, query: V },
          signal,
        }),
      ),
  });

export const deviceOperationsQuery = (instanceId: string) =>
  queryOptions({
    queryKey: [instanceId, 'operations'],
    queryFn: ({ signal }) =>
      body(
        client.GET(`${I}/management/operations`, {
          params: { path: { instanceId }, query: { ...V, top: 20 } },
          signal,
        }),
      ).then((page) => page.value),
  });

export const updatesQuery = (instanceId: string, search?: string, isDeployable = false) =>
  queryOptions({
    queryKey: [instanceId, 'updates', search ?? '', isDeployable],
    queryFn: ({ signal }) =>
      everyPage(
        (token) =>
          body(
            client.GET(`${I}/updates`, {
              params: {
                path: { instanceId },
                query: {
                  ...V,
                  search,
                  filter: isDeployable ? 'isDeployable eq true' : undefined,
                  token,
                },
              },
              signal,
            }),
          ),
        500,
      ),
  });

export const updateQuery = (instanceId: string, id: UpdateId) =>
  queryOptions({
    queryKey: [instanceId, 'updates', 'one', id.provider, id.name, id.version],
    queryFn: ({ signal }) =>
      body(
        client.GET(`${I}/updates/providers/{provider}/names/{name}/versions/{version}`, {
          params: { path: { instanceId, ...id }, query: V },
          signal,
        }),
      ),
  });

/** What a class is called: its friendly name, else what its devices report. */
export function className(item: DeviceClass | undefined, id: string): string {
  if (!item) return id.slice(0, 8);
  if (item.friendlyName) return item.friendlyName;
  const { compatProperties, contractModel } = item.deviceClassProperties;
  const { manufacturer, model, ...others } = compatProperties;
  const names = [manufacturer, model, ...Object.values(others)].filter(Boolean);
  return names.join(' ') || contractModel?.name || id.slice(0, 8);
}
