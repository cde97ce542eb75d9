/** Roll-outs in phases: what is read of them, and what is sent to steer them. */

import { queryOptions } from '@tanstack/react-query';
import { body, client, type Deployment, type Schemas, V } from './client';

const ONE = '/deviceUpdate/{instanceId}/management/groups/{groupId}/deployments/{deploymentId}';

export type Rollout = Schemas['Rollout'];
export type PhaseOf = NonNullable<Rollout['phases']>[number];
export type RolloutState = Schemas['RolloutState'];
export type RolloutPhase = Schemas['RolloutPhase'];
export type Plan = Schemas['DeploymentPlan'];
export type Transition = Schemas['Transition'];

/** Statuses in which nobody else is asked. */
export const ENDED = ['Completed', 'Ended', 'Aborted', 'RolledBack', 'Rejected'];

export const transitionsQuery = (instanceId: string, groupId: string, deploymentId: string) =>
  queryOptions({
    queryKey: [instanceId, 'groups', groupId, 'deployments', deploymentId, 'transitions'],
    queryFn: ({ signal }) =>
      body(
        client.GET(`${ONE}/history`, {
          params: { path: { instanceId, groupId, deploymentId }, query: V },
          signal,
        }),
      ).then((page) => page.value),
  });

/** What would happen to a deployment that is not stored; nothing is written by asking. */
export const planQuery = (instanceId: string, deployment: Deployment | null) =>
  queryOptions({
    queryKey: [
      instanceId,
      'plan',
      JSON.stringify({
        ...deployment,
        deploymentId: '',
        startDateTime: deployment?.startDateTime.slice(0, 15),
      }),
    ],
    queryFn: ({ signal }) => {
      const { groupId, deploymentId } = deployment!;
      return body(
        client.POST(`${ONE}:plan`, {
          params: { path: { instanceId, groupId, deploymentId }, query: V },
          body: deployment!,
          signal,
        }),
      );
    },
    enabled: deployment !== null,
    staleTime: 30_000,
  });

export type Control =
  | { kind: 'pause'; reason: string; withdraw: boolean }
  | { kind: 'resume'; revision: number | null }
  | { kind: 'advance'; phase: number }
  | { kind: 'abort'; reason: string; rollback: boolean }
  | { kind: 'approve' | 'reject'; revision: number; remark: string };

export function steer(
  instanceId: string,
  { groupId, deploymentId }: Deployment,
  control: Control,
): Promise<Deployment> {
  const params = { path: { instanceId, groupId, deploymentId }, query: V };
  switch (control.kind) {
    case 'pause': {
      const { reason, withdraw } = control;
      return body(client.POST(`${ONE}:pause`, { params, body: { reason, withdraw } }));
    }
    case 'resume':
      return body(client.POST(`${ONE}:resume`, { params, body: { revision: control.revision } }));
    case 'advance':
      return body(client.POST(`${ONE}:advance`, { params, body: { phase: control.phase } }));
    case 'abort': {
      const { reason, rollback } = control;
      return body(client.POST(`${ONE}:abort`, { params, body: { reason, rollback } }));
    }
    case 'approve':
    case 'reject': {
      const { revision, remark } = control;
      return body(
        control.kind === 'approve'
          ? client.POST(`${ONE}:approve`, { params, body: { revision, remark } })
          : client.POST(`${ONE}:reject`, { params, body: { revision, remark } }),
      );
    }
  }
}

const DEFAULT_LIMIT = 5;

/** The share of failed devices, in percent, at which a roll-out stops. */
export const limitOf = (rollout: Rollout): number => rollout.failure?.percent ?? DEFAULT_LIMIT;

/** How many devices each phase has or will have, as far as its selection says it. */
export function phaseSizes({ phases = [], state }: Rollout, total: number): number[] {
  let before = 0;
  return phases.map(({ select }, index) => {
    const asked = state?.phases[index]?.asked ?? 0;
    const until = select.percent ? (total * select.percent) / 100 : before + (select.count ?? 0);
    const size = Math.max(until - before, asked);
    before = Math.max(until, before + asked);
    return size;
  });
}

/** Devices whose outcome is known, and how many of them count as failed. */
export function outcome(phase: RolloutPhase): { decided: number; bad: number } {
  const bad = phase.failed + phase.stuck + phase.reverted;
  return { bad, decided: bad + phase.succeeded };
}
