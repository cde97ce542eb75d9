/** How the states of a collection look. */

import type { Schemas } from '../../api/client';
import type { StateName } from '../../design/state';

export const COLLECTION_STATES: Record<
  Schemas['LogCollectionDetailedStatus']['status'],
  StateName
> = {
  NotStarted: 'Waiting',
  Running: 'InProgress',
  Succeeded: 'Succeeded',
  Failed: 'Failed',
};
