import { describe, expect, test } from 'vitest';
import type { DeviceClass, Update } from '../../src/api/client';
import { countsOf, kindOf } from '../../src/api/deployments';
import { phaseSizes, type Rollout } from '../../src/api/rollouts';
import { stateOf } from '../../src/pages/deployments/state';
import { misfit, parseUpdate, requestOf } from '../../src/pages/new-deployment/draft';
import { NORMAL, PRESETS, phaseError, rolloutOf } from '../../src/pages/new-deployment/rollout';
import { compareVersions } from '../../src/pages/updates/versions';

const NOW = Date.parse('2026-03-10T12:00:00Z');
const DRAFT = { update: 'contoso/toaster/1.0', group: 'pilot' };

describe('what is sent for a draft', () => {
  test('nothing until update and group are chosen', () => {
    expect(requestOf({}, 'd', NOW)).toBeNull();
    expect(requestOf({ update: 'contoso/toaster', group: 'pilot' }, 'd', NOW)).toBeNull();
    expect(requestOf({ ...DRAFT, group: undefined }, 'd', NOW)).toBeNull();
  });

  test('a start that has passed means at once', () => {
    const at = (startAt?: string) => requestOf({ ...DRAFT, startAt }, 'd', NOW)?.startDateTime;
    expect(at()).toBe('2026-03-10T12:00:00.000Z');
    expect(at('2020-01-01T00:00')).toBe('2026-03-10T12:00:00.000Z');
    expect(Date.parse(at('2030-01-01T00:00')!)).toBe(new Date('2030-01-01T00:00').getTime());
  });

  test('phases, limits, hours and approval', () => {
    const request = requestOf(
      {
        ...DRAFT,
        rollout: {
          ...NORMAL,
          preset: 'careful',
          phases: PRESETS.careful,
          maximumInFlight: 50,
          needsApproval: true,
          window: { days: 'mon-fri', from: '01:30', hours: 4 },
        },
      },
      'd',
      NOW,
    );
    expect(request?.rollout).toMatchObject({
      approval: 'Required',
      maximumInFlight: 50,
      failure: { percent: 5, action: 'Pause' },
      windows: [{ cron: '30 1 * * mon-fri', duration: 'PT4H', zone: 'device' }],
    });
    expect(request?.rollout?.phases?.map((each) => each.select.percent)).toEqual([1, 10, 50, 100]);
    expect(request?.rollout?.phases?.[0]?.gate).toEqual({ bakeTime: 'PT24H', advance: 'Manual' });
  });

  test('a class as a phase, the success that is asked for, and what was set besides', () => {
    const [first] = PRESETS.normal;
    const rollout = rolloutOf({
      ...NORMAL,
      phases: [{ ...first!, unit: 'class', classId: 'c1', successPercent: 80 }],
      more: { priority: 0, perMinute: 20, silentDays: 7, ignoresDeviceWindow: true },
    });
    expect(rollout.phases?.[0]?.select).toEqual({ classId: 'c1' });
    expect(rollout.phases?.[0]?.gate?.successPercent).toBe(80);
    expect(rollout).toMatchObject({
      priority: 0,
      rate: { perMinute: 20 },
      deadlines: { start: 'P7D' },
      ignoreDeviceWindow: true,
    });
    for (const name of ['priority', 'rate', 'deadlines', 'ignoreDeviceWindow']) {
      expect(rolloutOf(NORMAL)).not.toHaveProperty(name);
    }
    expect(phaseError([{ ...first!, unit: 'class' }])?.index).toBe(0);
    expect(phaseError([{ ...first!, successPercent: 101 }])?.index).toBe(0);
  });

  test('a roll-back only to something', () => {
    const rollback = { update: '', percent: 10, devices: 5 };
    expect(requestOf({ ...DRAFT, rollback }, 'd', NOW)).not.toHaveProperty('rollbackPolicy');
    const whole = { ...rollback, update: 'contoso/toaster/0.9' };
    expect(requestOf({ ...DRAFT, rollback: whole }, 'd', NOW)?.rollbackPolicy).toEqual({
      update: { updateId: { provider: 'contoso', name: 'toaster', version: '0.9' } },
      failure: { devicesFailedPercentage: 10, devicesFailedCount: 5 },
    });
  });

  test('phases must grow to at most all', () => {
    const phases = PRESETS.normal;
    expect(phaseError(phases)).toBeNull();
    expect(phaseError([{ ...phases[0]!, percent: 0 }])?.index).toBe(0);
    expect(phaseError([phases[1]!, { ...phases[1]! }])?.index).toBe(1);
    const number = { ...phases[0]!, unit: 'devices' as const, percent: 200 };
    expect(phaseError([number, phases[1]!])).toBeNull();
    expect(phaseError([{ ...number, percent: 1.5 }])?.index).toBe(0);
    expect(rolloutOf({ ...NORMAL, phases: [number] }).phases?.[0]?.select).toEqual({ count: 200 });
    const wrong = { ...NORMAL, phases: [{ ...phases[0]!, percent: Number.NaN }] };
    expect(requestOf({ ...DRAFT, rollout: wrong }, 'd', NOW)).toBeNull();
  });

  test('a phase without a name has none', () =>
    expect(
      rolloutOf({ ...NORMAL, phases: [{ ...PRESETS.normal[0]!, name: '' }] }).phases?.[0]?.name,
    ).toBe(undefined));
});

test('an update is written with two slashes', () => {
  expect(parseUpdate('a/b/1.0')).toEqual({ provider: 'a', name: 'b', version: '1.0' });
  for (const text of [undefined, '', 'a', 'a/b', '//']) expect(parseUpdate(text)).toBeNull();
});

describe('why an update does not fit a class', () => {
  const update = (...compatibility: Record<string, string>[]) => ({ compatibility }) as Update;
  const of = (compatProperties: Record<string, string>) =>
    ({ deviceClassProperties: { compatProperties } }) as DeviceClass;
  test.each([
    ['it fits', [{ model: 'A' }], { model: 'a' }, null],
    ['one differs', [{ model: 'b' }], { model: 'a' }, { property: 'model', wants: 'b', has: 'a' }],
    ['one is missing', [{ hw: '2' }], {}, { property: 'hw', wants: '2', has: null }],
    [
      'the nearest set counts',
      [
        { maker: 'x', model: 'b' },
        { maker: 'c', model: 'b' },
      ],
      { maker: 'c', model: 'a' },
      { property: 'model', wants: 'b', has: 'a' },
    ],
  ])('%s', (_, wanted, has, why) => {
    const found = misfit(update(...wanted), of(has));
    if (why === null) expect(found).toBeNull();
    else expect(found).toMatchObject(why);
  });
});

test('phases have the sizes that their selections say, or what was asked', () => {
  const rollout = {
    phases: [{ select: { percent: 1 } }, { select: { count: 40 } }, { select: { percent: 100 } }],
    state: { phases: [{ asked: 12 }, { asked: 0 }, { asked: 0 }] },
  } as unknown as Rollout;
  expect(phaseSizes(rollout, 1000)).toEqual([12, 40, 948]);
});

const part = (succeeded: number, inProgress: number, failed: number, total: number) =>
  ({
    deploymentState: 'Active',
    subgroupStatus: [
      {
        devicesCompletedSucceededCount: succeeded,
        devicesInProgressCount: inProgress,
        devicesCompletedFailedCount: failed,
        devicesCanceledCount: 0,
        totalDevices: total,
      },
    ],
  }) as never;
const deployment = (more: object = {}) =>
  ({ startDateTime: '2026-03-01T00:00:00Z', isCanceled: false, ...more }) as never;

test('a deployment is planned, runs, or is over', () => {
  expect(kindOf(deployment({ startDateTime: '2027-01-01T00:00:00Z' }), part(0, 0, 0, 5), NOW)).toBe(
    'planned',
  );
  expect(kindOf(deployment(), part(1, 0, 0, 5), NOW)).toBe('running');
  expect(kindOf(deployment(), part(4, 0, 1, 5), NOW)).toBe('finished');
  expect(kindOf(deployment({ isCanceled: true }), part(0, 5, 0, 5), NOW)).toBe('finished');
  const paused = { rollout: { state: { status: 'Paused' } } };
  expect(kindOf(deployment(paused), part(5, 0, 0, 5), NOW)).toBe('running');
});

test.each([
  [part(5, 0, 0, 5), 'Succeeded'],
  [part(3, 0, 2, 5), 'Stuck'],
  [part(0, 0, 5, 5), 'Failed'],
  [part(0, 0, 0, 0), 'None'],
])('a finished deployment in one word: %#', (status, state) =>
  expect(
    stateOf({ deployment: deployment(), counts: countsOf(status), kind: 'finished' }).state,
  ).toBe(state),
);

test('versions are compared number by number', () => {
  const sorted = ['1.10', '1.2.1', '1.2', '2.0', '1.2.0'].sort(compareVersions);
  expect(sorted).toEqual(['1.2', '1.2.0', '1.2.1', '1.10', '2.0']);
});
