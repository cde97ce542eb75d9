/** How an update is rolled out: presets, and what is sent for them. */

import type { Schemas } from '../../api/client';

type Rollout = Schemas['Rollout'];

export interface PhaseDraft {
  name: string;
  /** The share of all devices until here, or with `unit` how many more devices. */
  percent: number;
  unit?: 'devices';
  bakeHours: number;
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
}

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
      select: each.unit === 'devices' ? { count: each.percent } : { percent: each.percent },
      gate: {
        bakeTime: `PT${each.bakeHours}H`,
        advance: each.isManual ? 'Manual' : 'Auto',
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
  } as Rollout;
}

function cronOf({ days, from }: NonNullable<RolloutDraft['window']>): string {
  const [hour, minute] = from.split(':').map(Number);
  return `${minute ?? 0} ${hour ?? 0} * * ${days}`;
}
