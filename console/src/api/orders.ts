/** What operators order for one device, within a deployment of its group or apart from any. */

import { keepPreviousData, queryOptions } from '@tanstack/react-query';
import { body, client, type Device, type Schemas, type UpdateId, V } from './client';

const D = '/deviceUpdate/{instanceId}/management/devices/{deviceId}';
const M = `${D}/modules/{moduleId}` as const;

export type DeviceOrders = Schemas['DeviceOrders'];
export type DeviceOrder = Schemas['DeviceOrder'];
export type OwnDeployment = Schemas['DeviceDeployment'];
export type OrderKind = 'cancel' | 'retry' | 'exclude' | 'include';
type Which = Pick<Device, 'deviceId' | 'moduleId'>;

/** In place of a deployment: whatever is deployed. */
export const EVERYTHING = '*';

export const ordersQuery = (instanceId: string, { deviceId, moduleId }: Which) =>
  queryOptions({
    queryKey: [instanceId, 'devices', 'one', deviceId, moduleId ?? '', 'orders'],
    queryFn: ({ signal }): Promise<DeviceOrders> => {
      const path = { instanceId, deviceId };
      return moduleId
        ? body(
            client.GET(`${M}/orders`, {
              params: { path: { ...path, moduleId }, query: V },
              signal,
            }),
          )
        : body(client.GET(`${D}/orders`, { params: { path, query: V }, signal }));
    },
  });

export function order(
  instanceId: string,
  { deviceId, moduleId }: Which,
  kind: OrderKind,
  deploymentId: string,
  reason = '',
): Promise<DeviceOrders> {
  const path = { instanceId, deviceId, deploymentId };
  const what = { reason };
  return moduleId
    ? body(
        client.POST(`${M}/deployments/{deploymentId}:${kind}`, {
          params: { path: { ...path, moduleId }, query: V },
          body: what,
        }),
      )
    : body(
        client.POST(`${D}/deployments/{deploymentId}:${kind}`, {
          params: { path, query: V },
          body: what,
        }),
      );
}

/** Give a device a deployment of its own. */
export function deployTo(
  instanceId: string,
  { deviceId, moduleId }: Which,
  updateId: UpdateId,
): Promise<OwnDeployment> {
  const path = { instanceId, deviceId, deploymentId: crypto.randomUUID() };
  const what = { update: { updateId } };
  return moduleId
    ? body(
        client.PUT(`${M}/deployments/{deploymentId}`, {
          params: { path: { ...path, moduleId }, query: V },
          body: what,
        }),
      )
    : body(
        client.PUT(`${D}/deployments/{deploymentId}`, { params: { path, query: V }, body: what }),
      );
}

/** Take a device's own deployment back, as far as it has not begun. */
export async function forgetOwn(
  instanceId: string,
  { deviceId, moduleId }: Which,
  deploymentId: string,
): Promise<void> {
  const path = { instanceId, deviceId, deploymentId };
  if (moduleId) {
    const params = { path: { ...path, moduleId }, query: V };
    await client.DELETE(`${M}/deployments/{deploymentId}`, { params });
  } else await client.DELETE(`${D}/deployments/{deploymentId}`, { params: { path, query: V } });
}

export type OwnDeploymentOf = Schemas['DeploymentOfDevice'];

/** The devices that have a deployment of their own of an update, a page at a time. */
export const ownDeploymentsQuery = (instanceId: string, id: UpdateId, token?: string) =>
  queryOptions({
    queryKey: [instanceId, 'devices', 'own', id.provider, id.name, id.version, token ?? ''],
    queryFn: ({ signal }) =>
      body(
        client.GET(
          '/deviceUpdate/{instanceId}/management/updates/providers/{provider}/names/{name}/versions/{version}/deviceDeployments',
          { params: { path: { instanceId, ...id }, query: { ...V, token } }, signal },
        ),
      ),
    placeholderData: keepPreviousData,
  });
