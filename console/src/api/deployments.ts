/** Deployments with how they stand, for the lists. */

import { queryOptions } from '@tanstack/react-query';
import { queryClient } from '../app/query-client';
import type { Deployment, DeploymentStatus } from './client';
import { groupDeploymentsQuery, groupsQuery, statusQuery } from './queries';

export interface Counts {
  succeeded: number;
  inProgress: number;
  failed: number;
  canceled: number;
  total: number;
}

export interface Standing {
  deployment: Deployment;
  status: DeploymentStatus;
  counts: Counts;
  kind: 'running' | 'planned' | 'finished';
}

/** How many groups are looked at: reading each costs a request. */
const MOST_GROUPS = 20;
const NEWEST_OF_GROUP = 5;

export function countsOf(status: DeploymentStatus): Counts {
  const sum = { succeeded: 0, inProgress: 0, failed: 0, canceled: 0, total: 0 };
  for (const part of status.subgroupStatus) {
    sum.succeeded += part.devicesCompletedSucceededCount;
    sum.inProgress += part.devicesInProgressCount;
    sum.failed += part.devicesCompletedFailedCount;
    sum.canceled += part.devicesCanceledCount;
    sum.total += part.totalDevices;
  }
  return sum;
}

export function kindOf(deployment: Deployment, status: DeploymentStatus, now: number) {
  if (Date.parse(deployment.startDateTime) > now) return 'planned';
  const { inProgress, succeeded, failed, canceled, total } = countsOf(status);
  const isOver =
    deployment.isCanceled || inProgress + Math.max(0, total - succeeded - failed - canceled) === 0;
  return status.deploymentState.startsWith('Active') && !isOver ? 'running' : 'finished';
}

async function standingOf(
  instance: string,
  deployment: Deployment,
  now: number,
): Promise<Standing> {
  const { groupId, deploymentId } = deployment;
  const status = await queryClient.fetchQuery(statusQuery(instance, groupId, deploymentId));
  const kind = kindOf(deployment, status, now);
  return { deployment, status, counts: countsOf(status), kind };
}

export const standingsQuery = (instance: string) =>
  queryOptions({
    queryKey: [instance, 'standings'],
    queryFn: async (): Promise<Standing[]> => {
      const groups = await queryClient.fetchQuery(groupsQuery(instance));
      const withSome = groups.filter((group) => group.deployments.length > 0).slice(0, MOST_GROUPS);
      const lists = await Promise.all(
        withSome.map((group) =>
          queryClient.fetchQuery(groupDeploymentsQuery(instance, group.groupId)),
        ),
      );
      const newest = lists.flatMap((list) => list.slice(0, NEWEST_OF_GROUP));
      const now = Date.now();
      const all = await Promise.all(newest.map((each) => standingOf(instance, each, now)));
      return all.sort((a, b) =>
        b.deployment.startDateTime.localeCompare(a.deployment.startDateTime),
      );
    },
  });

/** The newest deployments of one group. */
export const groupStandingsQuery = (instance: string, group: string, atMost = 10) =>
  queryOptions({
    queryKey: [instance, 'standings', group],
    queryFn: async (): Promise<Standing[]> => {
      const list = await queryClient.fetchQuery(groupDeploymentsQuery(instance, group));
      const now = Date.now();
      return Promise.all(list.slice(0, atMost).map((each) => standingOf(instance, each, now)));
    },
  });
