import { expect, test } from 'vitest';
import { filterOf } from '../../src/api/devices';
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
});

test('filters are written in the grammar of the service, quotes doubled', () => {
  expect(filterOf({})).toBeUndefined();
  expect(filterOf({ group: "o'brien", state: 'Failed' })).toBe(
    "groupId eq 'o''brien' and deploymentStatus eq 'Failed'",
  );
  expect(filterOf({ state: 'None' })).toBe('deploymentStatus eq null');
});

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
