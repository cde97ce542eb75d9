/** Deployments with how they stand, of the whole instance or of a group. */

import { queryOptions } from '@tanstack/react-query';
import {
  body,
  client,
  type Deployment,
  type DeploymentStatus,
  everyPage,
  type Schemas,
  V,
} from './client';
import { ENDED } from './rollouts';

const I = '/deviceUpdate/{instanceId}';

export type Counts = Schemas['DeploymentCounts'];
export type Overview = Schemas['DeploymentOverview'];
export type Kind = 'running' | 'planned' | 'finished';

export interface Standing {
  deployment: Deployment;
  counts: Counts;
  kind: Kind;
  createdBy: string | null;
}

const KINDS: Record<Overview['course'], Kind> = {
  Running: 'running',
  Planned: 'planned',
  Finished: 'finished',
};
/** More are not shown in one list: the filters narrow it. */
const MOST = 500;

export function countsOf(status: DeploymentStatus): Counts {
  const sum = { succeeded: 0, inProgress: 0, failed: 0, canceled: 0, waiting: 0, total: 0 };
  for (const part of status.subgroupStatus) {
    sum.succeeded += part.devicesCompletedSucceededCount;
    sum.inProgress += part.devicesInProgressCount;
    sum.failed += part.devicesCompletedFailedCount;
    sum.canceled += part.devicesCanceledCount;
    sum.total += part.totalDevices;
  }
  const answered = sum.succeeded + sum.inProgress + sum.failed + sum.canceled;
  return { ...sum, waiting: Math.max(0, sum.total - answered) };
}

/** Whether a deployment is still to come, runs, or is over; as the service says it of its lists. */
export function kindOf(deployment: Deployment, status: DeploymentStatus, now: number): Kind {
  if (Date.parse(deployment.startDateTime) > now) return 'planned';
  const rollout = deployment.rollout?.state?.status;
  if (rollout) return ENDED.includes(rollout) ? 'finished' : 'running';
  const { inProgress, waiting } = countsOf(status);
  const isOver = deployment.isCanceled || inProgress + waiting === 0;
  return status.deploymentState.startsWith('Active') && !isOver ? 'running' : 'finished';
}

export const standingsQuery = (instanceId: string, filter?: string) =>
  queryOptions({
    queryKey: [instanceId, 'standings', filter ?? ''],
    queryFn: ({ signal }): Promise<Standing[]> =>
      everyPage(
        (token) =>
          body(
            client.GET(`${I}/management/deployments`, {
              params: {
                path: { instanceId },
                query: { ...V, filter, orderby: 'startDateTime desc', token },
              },
              signal,
            }),
          ),
        MOST,
      ).then((all) =>
        all.map(({ deployment, counts, course, createdBy }) => ({
          deployment,
          counts,
          kind: KINDS[course],
          createdBy: createdBy ?? null,
        })),
      ),
  });

/** The newest deployments of one group. */
export const groupStandingsQuery = (instance: string, group: string) =>
  standingsQuery(instance, `groupId eq '${group.replaceAll("'", "''")}'`);

export const progressQuery = (instanceId: string, groupId: string, deploymentId: string) =>
  queryOptions({
    queryKey: [instanceId, 'groups', groupId, 'deployments', deploymentId, 'progress'],
    queryFn: ({ signal }) =>
      body(
        client.GET(`${I}/management/groups/{groupId}/deployments/{deploymentId}/progress`, {
          params: { path: { instanceId, groupId, deploymentId }, query: V },
          signal,
        }),
      ),
  });
