import { expect, test } from 'vitest';
import { type DeviceFilter, filterOf, searchOf } from '../../src/api/device-filter';
import { devicesSearch } from '../../src/app/address';
import { placeOf } from '../../src/app/hits';

test('an address says what is known of filters, and nothing else', () => {
  expect(devicesSearch({ group: 'pilot', state: 'Failed', other: 'x' })).toMatchObject({
    group: 'pilot',
    state: 'Failed',
  });
  expect(devicesSearch({ state: 'Exploded', group: '' }).state).toBeUndefined();
  expect(devicesSearch({ group: '' }).group).toBeUndefined();
  expect(devicesSearch({ group: 7 }).group).toBe('7');
  expect(devicesSearch({ quiet: '7', code: '3010100x' })).toMatchObject({
    quiet: 7,
    code: undefined,
  });
  expect(devicesSearch({ quiet: -1 }).quiet).toBeUndefined();
});

const NOW = Date.parse('2026-03-10T15:00:00Z');

test('filters are written in the grammar of the service, quotes doubled', () => {
  expect(filterOf({}, NOW)).toBeUndefined();
  expect(filterOf({ group: "o'brien", state: 'Failed' }, NOW)).toBe(
    "groupId eq 'o''brien' and deploymentStatus eq 'Failed'",
  );
  expect(filterOf({ state: 'None', installed: 'none' }, NOW)).toBe(
    'deploymentStatus eq null and installedUpdate eq null',
  );
  expect(filterOf({ quiet: 7, latest: 'no', connected: 'yes' }, NOW)).toBe(
    'onLatestUpdate eq false and isConnected eq true and ' +
      'lastContactDateTime lt 2026-03-03T00:00:00.000Z',
  );
});

test.each<DeviceFilter>([
  {},
  { group: "o'brien and 'sons'", state: 'None' },
  { starts: "x' and y", is: 'Stuck', code: '30101001' },
  { class: 'abc', installed: 'a/b/1.0', latest: 'yes', connected: 'no' },
  { installed: 'none', state: 'Failed' },
])('a filter of the service leads back to the address: %j', (filter) =>
  expect(searchOf(filterOf(filter, NOW) ?? '')).toEqual(filter),
);

test.each(["groupId ne 'a'", "groupId eq 'a' or groupId eq 'b'", 'rubbish', "colour eq 'red'"])(
  'what an address cannot say is left alone: %s',
  (expression) => expect(searchOf(expression)).toBeNull(),
);

test('what was found has a place', () => {
  const place = (kind: string, id: string, link: string) =>
    placeOf('i', { kind, id, link, title: id } as never);
  expect(place('device', 'a/b', 'management/devices/a/b')).toMatchObject({
    params: { device: 'a/b' },
  });
  expect(place('update', 'c:t:1.0', 'updates/providers/c/names/t/versions/1.0')).toMatchObject({
    params: { provider: 'c', name: 't', version: '1.0' },
  });
  expect(place('deployment', 'd', 'management/groups/x/y/deployments/d')).toMatchObject({
    params: { group: 'x/y', deployment: 'd' },
  });
  expect(place('update', 'c', 'javascript:alert(1)')).toBeNull();
  expect(place('deployment', 'd', 'elsewhere')).toBeNull();
});
