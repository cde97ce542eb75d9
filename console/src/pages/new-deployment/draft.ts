/** The draft of a deployment: kept over reloads, and what is sent for it. */

import { useCallback, useState } from 'react';
import type { Deployment, DeviceClass, Update, UpdateId } from '../../api/client';
import { phaseError, type RolloutDraft, rolloutOf } from './rollout';

const KEY = 'odu.draft.deployment';

export interface Draft {
  update?: string;
  group?: string;
  /** A local time as an input has it; none to begin at once. */
  startAt?: string;
  rollback?: { update: string; percent: number; devices: number };
  /** None: to all devices at once. */
  rollout?: RolloutDraft;
}

export function useDraft(
  instance: string,
  given: Draft,
): [Draft, (change: Draft) => void, () => void] {
  const key = `${KEY}.${instance}`;
  const [draft, setDraft] = useState<Draft>(() => {
    const kept = JSON.parse(sessionStorage.getItem(key) ?? '{}') as Draft;
    const named = Object.fromEntries(Object.entries(given).filter(([, value]) => value));
    return { ...kept, ...named };
  });
  const change = useCallback(
    (part: Draft) =>
      setDraft((old) => {
        const next = { ...old, ...part };
        sessionStorage.setItem(key, JSON.stringify(next));
        return next;
      }),
    [key],
  );
  const clear = useCallback(() => {
    sessionStorage.removeItem(key);
    setDraft({});
  }, [key]);
  return [draft, change, clear];
}

/** `provider/name/version` as an id; provider and name hold no slash. */
export function parseUpdate(text: string | undefined): UpdateId | null {
  const [provider, name, version] = (text ?? '').split('/');
  return provider && name && version ? { provider, name, version } : null;
}

export const updateKey = (id: UpdateId): string => `${id.provider}/${id.name}/${id.version}`;

/** Why an update does not fit a class: the first property that differs, of the nearest set. */
export function misfit(
  update: Update,
  deviceClass: DeviceClass,
): { property: string; wants: string; has: string | null } | null {
  const has = deviceClass.deviceClassProperties.compatProperties;
  let nearest: { property: string; wants: string; has: string | null; hits: number } | null = null;
  for (const wanted of update.compatibility) {
    const entries = Object.entries(wanted);
    const wrong = entries.find(([name, value]) => has[name]?.toLowerCase() !== value.toLowerCase());
    if (!wrong) return null;
    const hits = entries.filter(
      ([name, value]) => has[name]?.toLowerCase() === value.toLowerCase(),
    ).length;
    if (!nearest || hits > nearest.hits) {
      nearest = { property: wrong[0], wants: wrong[1], has: has[wrong[0]] ?? null, hits };
    }
  }
  return nearest ?? { property: '', wants: '', has: null };
}

/** What is sent to the service. */
export function requestOf(draft: Draft, deploymentId: string, now: number): Deployment | null {
  const update = parseUpdate(draft.update);
  if (!update || !draft.group) return null;
  if (draft.rollout && phaseError(draft.rollout.phases)) return null;
  const start = draft.startAt ? Math.max(Date.parse(draft.startAt), now) : now;
  const rollbackTo = parseUpdate(draft.rollback?.update);
  return {
    deploymentId,
    groupId: draft.group,
    startDateTime: new Date(start).toISOString(),
    update: { updateId: update },
    ...(draft.rollout ? { rollout: rolloutOf(draft.rollout) } : {}),
    ...(draft.rollback && rollbackTo
      ? {
          rollbackPolicy: {
            update: { updateId: rollbackTo },
            failure: {
              devicesFailedPercentage: draft.rollback.percent,
              devicesFailedCount: draft.rollback.devices,
            },
          },
        }
      : {}),
  } as Deployment;
}
