/** Lists of devices, a page at a time, with the filters that the server has. */

import { queryOptions } from '@tanstack/react-query';
import { body, client, V } from './client';
import { type DeviceFilter, filterOf, quoted } from './device-filter';

const I = '/deviceUpdate/{instanceId}';

export const devicesQuery = (instanceId: string, filter: DeviceFilter, token?: string) =>
  queryOptions({
    queryKey: [instanceId, 'devices', filter, token ?? ''],
    queryFn: ({ signal }) =>
      body(
        client.GET(`${I}/management/devices`, {
          params: {
            path: { instanceId },
            query: { ...V, filter: filterOf(filter, Date.now()), token },
          },
          signal,
        }),
      ),
  });

/** How many devices a filter selects, where counters know it. */
export const deviceCountQuery = (instanceId: string, filter: DeviceFilter) =>
  queryOptions({
    queryKey: [instanceId, 'devices', filter, 'count'],
    queryFn: ({ signal }) =>
      body(
        client.GET(`${I}/management/devices:count`, {
          params: {
            path: { instanceId },
            query: { ...V, filter: filterOf(filter, Date.now()) },
          },
          signal,
        }),
      ),
  });

export const deviceQuery = (instanceId: string, deviceId: string, moduleId?: string) =>
  queryOptions({
    queryKey: [instanceId, 'devices', 'one', deviceId, moduleId ?? ''],
    queryFn: ({ signal }) =>
      moduleId
        ? body(
            client.GET(`${I}/management/devices/{deviceId}/modules/{moduleId}`, {
              params: { path: { instanceId, deviceId, moduleId }, query: V },
              signal,
            }),
          )
        : body(
            client.GET(`${I}/management/devices/{deviceId}`, {
              params: { path: { instanceId, deviceId }, query: V },
              signal,
            }),
          ),
  });

export const historyQuery = (instanceId: string, deviceId: string, moduleId?: string) =>
  queryOptions({
    queryKey: [instanceId, 'devices', 'one', deviceId, moduleId ?? '', 'history'],
    queryFn: ({ signal }) =>
      moduleId
        ? body(
            client.GET(`${I}/management/devices/{deviceId}/modules/{moduleId}/updateHistory`, {
              params: { path: { instanceId, deviceId, moduleId }, query: V },
              signal,
            }),
          )
        : body(
            client.GET(`${I}/management/devices/{deviceId}/updateHistory`, {
              params: { path: { instanceId, deviceId }, query: V },
              signal,
            }),
          ),
  });

export const healthQuery = (instanceId: string, deviceId: string) =>
  queryOptions({
    queryKey: [instanceId, 'devices', 'one', deviceId, 'health'],
    queryFn: ({ signal }) =>
      body(
        client.GET(`${I}/management/deviceDiagnostics/deviceHealth`, {
          params: {
            path: { instanceId },
            query: { ...V, filter: `deviceId eq ${quoted(deviceId)}` },
          },
          signal,
        }),
      ).then((page) => page.value),
  });

export interface StatesOf {
  group: string;
  class: string;
  deployment: string;
  state?: string;
}

export const deviceStatesQuery = (instanceId: string, of: StatesOf, token?: string) =>
  queryOptions({
    queryKey: [instanceId, 'deviceStates', of, token ?? ''],
    queryFn: ({ signal }) =>
      body(
        client.GET(
          `${I}/management/groups/{groupId}/deviceClassSubgroups/{deviceClassId}/deployments/{deploymentId}/devicestates`,
          {
            params: {
              path: {
                instanceId,
                groupId: of.group,
                deviceClassId: of.class,
                deploymentId: of.deployment,
              },
              query: {
                ...V,
                filter: of.state ? `deviceState eq ${quoted(of.state)}` : undefined,
                token,
              },
            },
            signal,
          },
        ),
      ),
  });
