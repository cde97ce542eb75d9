import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { connect } from '../../src/api/client';
import {
  byCause,
  type Done,
  type Poison,
  type Queue,
  STEP,
  throughCause,
  throughMessages,
} from '../../src/api/poison';

const message = (id: string, cause: string, queue = 'fanout'): Poison => ({
  id,
  queue,
  cause,
  work: 'work',
  about: {},
  isOver: false,
});
const queue = (name: string, poisonMessageCount: number): Queue => ({
  queue: name,
  messageCount: 0,
  poisonMessageCount,
  oldestMessageSeconds: 0,
});

describe('messages by cause', () => {
  test('most first, whatever their queues', () => {
    const found = byCause(
      [message('1', 'B'), message('2', 'A'), message('3', 'A', 'logs')],
      [queue('fanout', 2), queue('logs', 1)],
    );
    expect(found.map(({ cause, messages, most }) => [cause, messages.length, most])).toEqual([
      ['A', 2, 2],
      ['B', 1, 1],
    ]);
  });

  test('a queue that lists no more than its first messages may hold more of each cause', () => {
    const full = Array.from({ length: 32 }, (_, n) => message(`${n}`, n ? 'A' : 'B'));
    const found = byCause([...full, message('x', 'C', 'logs')], [queue('fanout', 1000)]);
    expect(found.map(({ cause, hasMore, most }) => [cause, hasMore, most])).toEqual([
      ['A', true, 999],
      ['B', true, 969],
      ['C', false, 1],
    ]);
  });
});

describe('dealing with many', () => {
  let asked: { path: string; maximum?: number }[] = [];
  let answers: (number | Response)[] = [];
  beforeEach(() => {
    asked = [];
    connect({ accessToken: async () => 'token' });
    vi.stubGlobal('fetch', async (request: Request) => {
      const text = await request.text();
      const path = new URL(request.url).pathname.split('/operations/')[1]!;
      asked.push({ path, ...(text && { maximum: JSON.parse(text).maximum }) });
      const next = answers.shift() ?? 0;
      if (next instanceof Response) return next;
      return Response.json({
        value: [{ queue: 'fanout', replayedCount: next - 1, discardedCount: 1 }],
      });
    });
  });
  afterEach(() => vi.unstubAllGlobals());

  const all = async (steps: AsyncGenerator<Done>) => {
    const found: Done[] = [];
    for await (const done of steps) found.push(done);
    return found;
  };

  test('goes on by steps until one finds fewer than it may', async () => {
    answers = [STEP, STEP, 7];
    const steps = await all(throughCause('i', 'replay', { cause: 'A', most: 5000 }));
    expect(steps.at(-1)).toEqual({ replayed: 2 * STEP + 7 - 3, discarded: 3 });
    expect(asked.map((each) => each.path)).toEqual(Array(3).fill('poison:replay'));
  });

  test('what comes back meanwhile is not taken up for ever', async () => {
    answers = Array(100).fill(STEP);
    answers[2] = 50;
    await all(throughCause('i', 'discard', { cause: 'A', most: 2 * STEP + 50 }));
    expect(asked.map((each) => each.maximum)).toEqual([STEP, STEP, 50]);
  });

  test('what was done before a failure is told', async () => {
    answers = [STEP, Response.json({ error: { code: 'Away', message: 'away' } }, { status: 400 })];
    const steps = throughCause('i', 'replay', { cause: 'A', most: 1000 });
    expect((await steps.next()).value).toEqual({ replayed: STEP - 1, discarded: 1 });
    await expect(steps.next()).rejects.toThrow('away');
  });

  test('a single message that is gone needs nothing any more', async () => {
    answers = [Response.json({ error: { code: 'NotFound', message: '' } }, { status: 404 }), 1];
    const chosen = [message('1', 'A'), message('2', 'A')];
    expect(await all(throughMessages('i', 'discard', chosen))).toEqual([
      { replayed: 0, discarded: 0 },
      { replayed: 0, discarded: 1 },
    ]);
    expect(asked.map((each) => each.path)).toEqual(['poison/fanout/1', 'poison/fanout/2']);
  });
});
