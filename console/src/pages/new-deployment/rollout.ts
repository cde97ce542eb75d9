/** How an update is rolled out: presets, and what is sent for them. */

import type { Schemas } from '../../api/client';

type Rollout = Schemas['Rollout'];

export interface PhaseDraft {
  name: string;
  /** The share of all devices until here, or with the unit `devices` how many more. */
  percent: number;
  unit?: 'devices' | 'class';
  /** With the unit `class`: the device class, whole. */
  classId?: string;
  bakeHours: number;
  /** So many of those that have ended must have succeeded; 95 if absent. */
  successPercent?: number;
  isManual: boolean;
}

export interface RolloutDraft {
  preset: 'careful' | 'normal' | 'own';
  phases: PhaseDraft[];
  failurePercent: number;
  action: 'Pause' | 'Abort' | 'Rollback';
  maximumInFlight: number | null;
  needsApproval: boolean;
  window: { days: string; from: string; hours: number } | null;
  more?: MoreDraft;
}

/** What most roll-outs leave as it is. */
export interface MoreDraft {
  /** From 0 to 1000; of two deployments of a group the higher one decides. */
  priority?: number;
  perMinute?: number;
  /** A device that was asked and says nothing for so long is silent. */
  silentDays?: number;
  /** One that has begun and says nothing for so long is stuck. */
  stuckHours?: number;
  ignoresDeviceWindow?: boolean;
  cancelsStuck?: boolean;
}

export const SUCCESS_PERCENT = 95;

const phase = (name: string, percent: number, bakeHours: number, isManual = false): PhaseDraft => ({
  name,
  percent,
  bakeHours,
  isManual,
});

export const PRESETS: Record<'careful' | 'normal', PhaseDraft[]> = {
  careful: [
    phase('canary', 1, 24, true),
    phase('early', 10, 24),
    phase('half', 50, 12),
    phase('all', 100, 0),
  ],
  normal: [phase('canary', 5, 4), phase('all', 100, 0)],
};

export const NORMAL: RolloutDraft = {
  preset: 'normal',
  phases: PRESETS.normal,
  failurePercent: 5,
  action: 'Pause',
  maximumInFlight: null,
  needsApproval: false,
  window: null,
};

/** What is wrong with the phases, beside the number of the one it is about. */
export function phaseError(phases: PhaseDraft[]): { index: number; message: string } | null {
  let reached = 0;
  for (const [index, each] of phases.entries()) {
    const success = each.successPercent ?? SUCCESS_PERCENT;
    if (!(success >= 0 && success <= 100)) return { index, message: 'From 0 to 100 % success' };
    if (each.unit === 'class') {
      if (!each.classId) return { index, message: 'Choose a device class' };
      continue;
    }
    if (each.unit === 'devices') {
      if (!(Number.isInteger(each.percent) && each.percent > 0))
        return { index, message: 'A whole number, at least 1' };
      continue;
    }
    if (!(each.percent > 0 && each.percent <= 100))
      return { index, message: 'More than 0, at most 100' };
    if (each.percent <= reached) return { index, message: 'More than the phase before' };
    reached = each.percent;
  }
  return null;
}

export function rolloutOf(draft: RolloutDraft): Rollout {
  const { window } = draft;
  return {
    phases: draft.phases.map((each) => ({
      name: each.name || undefined,
      select: selectOf(each),
      gate: {
        bakeTime: `PT${each.bakeHours}H`,
        advance: each.isManual ? 'Manual' : 'Auto',
        ...(each.successPercent === undefined ? {} : { successPercent: each.successPercent }),
      },
    })),
    failure: { percent: draft.failurePercent, action: draft.action },
    approval: draft.needsApproval ? 'Required' : 'None',
    ...(draft.maximumInFlight ? { maximumInFlight: draft.maximumInFlight } : {}),
    ...(window
      ? {
          windows: [
            {
              cron: cronOf(window),
              duration: `PT${window.hours}H`,
              zone: 'device',
              fallbackZone: Intl.DateTimeFormat().resolvedOptions().timeZone,
            },
          ],
        }
      : {}),
    ...moreOf(draft.more ?? {}),
  } as Rollout;
}

function selectOf({ unit, percent, classId }: PhaseDraft) {
  if (unit === 'devices') return { count: percent };
  return unit === 'class' ? { classId } : { percent };
}

/** Only what was set: the service has a default for the rest. */
function moreOf(more: MoreDraft) {
  const { priority, perMinute, silentDays, stuckHours, ignoresDeviceWindow, cancelsStuck } = more;
  const deadlines = {
    ...(silentDays ? { start: `P${silentDays}D` } : {}),
    ...(stuckHours ? { progress: `PT${stuckHours}H` } : {}),
    ...(cancelsStuck ? { cancelStuck: true } : {}),
  };
  return {
    ...(priority === undefined ? {} : { priority }),
    ...(perMinute ? { rate: { perMinute } } : {}),
    ...(Object.keys(deadlines).length > 0 ? { deadlines } : {}),
    ...(ignoresDeviceWindow ? { ignoreDeviceWindow: true } : {}),
  };
}

function cronOf({ days, from }: NonNullable<RolloutDraft['window']>): string {
  const [hour, minute] = from.split(':').map(Number);
  return `${minute ?? 0} ${hour ?? 0} * * ${days}`;
}
