import { QueryClient } from '@tanstack/react-query';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { type Change, ChangeFeed, concerns } from '../../src/api/changes';
import { connect } from '../../src/api/client';

const group = (id: string, etag = '1'): Change => ({ kind: 'group', id, etag });

describe('what a change concerns', () => {
  const filter = "groupId eq 'o''brien'";
  test.each<[string, unknown[], Change, boolean]>([
    ['figures of the instance', ['i', 'compliance'], group('pilot'), true],
    ['their history, once a day', ['i', 'compliance', 'history'], group('pilot'), false],
    ['that of a group', ['i', 'groups', 'pilot', 'compliance', 'history'], group('pilot'), false],
    ['the list of groups', ['i', 'groups'], group('pilot'), true],
    ['its own page', ['i', 'groups', 'pilot', 'compliance'], group('pilot'), true],
    ['the page of another', ['i', 'groups', 'north', 'compliance'], group('pilot'), false],
    ['devices of all groups', ['i', 'devices', {}, ''], group('pilot'), true],
    ['devices of it', ['i', 'devices', { group: 'pilot' }, ''], group('pilot'), true],
    ['devices of another', ['i', 'devices', { group: 'north' }, ''], group('pilot'), false],
    ['deployments of it', ['i', 'standings', filter], group("o'brien"), true],
    ['deployments of another', ['i', 'standings', filter], group('pilot'), false],
    ['updates', ['i', 'updates', ''], group('pilot'), false],
    [
      'a deployment',
      ['i', 'groups', 'a/b', 'deployments', 'd', 'status'],
      { kind: 'deployment', id: 'a/b/d', etag: '' },
      true,
    ],
    [
      'another deployment of the group',
      ['i', 'groups', 'a/b', 'deployments', 'e', 'status'],
      { kind: 'deployment', id: 'a/b/d', etag: '' },
      false,
    ],
    [
      'the best updates of a group',
      ['i', 'groups', 'pilot', 'best'],
      { kind: 'update', id: 'p/n/1', etag: '' },
      true,
    ],
    ['imports', ['i', 'imports', 6], { kind: 'operation', id: 'o', etag: '' }, true],
    ['keys', ['i', 'keys'], { kind: 'operation', id: 'o', etag: '' }, false],
  ])('%s', (_, key, change, does) => expect(concerns(key, change)).toBe(does));
});

describe('the feed', () => {
  let now = 0;
  let changed: Change[] = [];
  let asked: (string | null)[] = [];
  let queries: QueryClient;
  let feed: ChangeFeed;

  beforeEach(() => {
    now = 1_000_000;
    changed = [];
    asked = [];
    connect({ accessToken: async () => 'token' });
    vi.stubGlobal('fetch', async (request: Request) => {
      asked.push(new URL(request.url).searchParams.get('since'));
      return Response.json({ cursor: `c${asked.length}`, changed });
    });
    queries = new QueryClient();
    feed = new ChangeFeed(queries, 'i', () => now);
  });
  afterEach(() => vi.unstubAllGlobals());

  const put = (key: unknown[]) => queries.setQueryData(key, {}, { updatedAt: now });
  const isStale = (key: unknown[]) => queries.getQueryState(key)?.isInvalidated;

  test('goes on from the cursor of the answer before', async () => {
    await feed.read();
    await feed.read();
    expect(asked).toEqual([null, 'c1']);
  });

  test('what changed before the first answer is shown already', async () => {
    put(['i', 'compliance']);
    changed = [group('pilot')];
    await feed.read();
    expect(isStale(['i', 'compliance'])).toBe(false);
  });

  test('what changed later is read again, what it is not of is left', async () => {
    await feed.read();
    put(['i', 'compliance']);
    put(['i', 'keys']);
    put(['j', 'compliance']);
    changed = [group('pilot')];
    await feed.read();
    expect(isStale(['i', 'compliance'])).toBe(true);
    expect(isStale(['i', 'keys'])).toBe(false);
    expect(isStale(['j', 'compliance'])).toBe(false);
  });

  test('what is told twice is read once', async () => {
    await feed.read();
    changed = [group('pilot')];
    await feed.read();
    put(['i', 'compliance']);
    await feed.read();
    expect(isStale(['i', 'compliance'])).toBe(false);
    changed = [group('pilot', '2')];
    await feed.read();
    expect(isStale(['i', 'compliance'])).toBe(true);
  });

  test('rows that somebody reads wait for ten seconds, and are not forgotten', async () => {
    await feed.read();
    const rows = ['i', 'devices', { group: 'pilot' }, ''];
    put(rows);
    changed = [group('pilot')];
    now += 2_000;
    await feed.read();
    expect(isStale(rows)).toBe(false);
    now += 9_000;
    await feed.read();
    expect(isStale(rows)).toBe(true);
  });

  test('after a long silence all is read anew', async () => {
    await feed.read();
    put(['i', 'keys']);
    now += 11 * 60_000;
    await feed.read();
    expect(asked).toEqual([null, null]);
    expect(isStale(['i', 'keys'])).toBe(true);
  });
});
