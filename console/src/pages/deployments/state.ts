/** The state of a whole deployment in one word, from what its devices report. */

import type { Standing } from '../../api/deployments';
import type { RolloutState } from '../../api/rollouts';
import type { StateName } from '../../design/state';
import { text as rolloutText } from '../deployment/rollout-text';
import { text } from './text';

const ROLLOUT_STATES: Record<RolloutState['status'], StateName> = {
  AwaitingApproval: 'Waiting',
  Rejected: 'Canceled',
  Scheduled: 'Waiting',
  Running: 'InProgress',
  Baking: 'InProgress',
  AwaitingAdvance: 'Waiting',
  Paused: 'Paused',
  Completed: 'Succeeded',
  Ended: 'Canceled',
  Aborted: 'Canceled',
  RolledBack: 'Canceled',
};

export interface Shown {
  state: StateName;
  text: string;
}

export function stateOf({
  deployment,
  counts,
  kind,
}: Pick<Standing, 'deployment' | 'counts' | 'kind'>): Shown {
  const { states } = text;
  const rollout = deployment.rollout?.state;
  if (rollout && !deployment.recallReason) {
    const { status, phase } = rollout;
    const name = rolloutText.statuses[status];
    const isMoving = status === 'Running' || status === 'Baking';
    return {
      state: ROLLOUT_STATES[status],
      text:
        isMoving && phase !== null && phase !== undefined
          ? rolloutText.inPhase(name, phase + 1, rollout.phases.length)
          : name,
    };
  }
  if (deployment.recallReason) return { state: 'Canceled', text: states.Recalled };
  if (deployment.isCanceled) return { state: 'Canceled', text: states.Canceled };
  if (kind === 'planned') return { state: 'Waiting', text: states.Planned };
  if (kind === 'running') {
    return counts.failed > 0
      ? { state: 'Stuck', text: states.RunningWithFailures }
      : { state: 'InProgress', text: states.Running };
  }
  if (counts.total === 0) return { state: 'None', text: states.NoDevices };
  if (counts.failed === 0) {
    if (counts.succeeded > 0) return { state: 'Succeeded', text: states.Succeeded };
    return counts.canceled > 0
      ? { state: 'Canceled', text: states.Canceled }
      : { state: 'InProgress', text: states.Running };
  }
  return counts.succeeded > 0
    ? { state: 'Stuck', text: states.FailedPartly }
    : { state: 'Failed', text: states.Failed };
}
