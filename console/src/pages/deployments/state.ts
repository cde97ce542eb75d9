/** The state of a whole deployment in one word, from what its devices report. */

import type { Standing } from '../../api/deployments';
import type { StateName } from '../../design/state';
import { text } from './text';

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
