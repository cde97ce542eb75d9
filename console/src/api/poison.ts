/** What failed for good in the queues of the service: by cause, and dealt with step by step. */

import { queryOptions } from '@tanstack/react-query';
import { body, client, type Schemas, V } from './client';
import { ApiError } from './errors';

const POISON = '/deviceUpdate/{instanceId}/operations/poison';

export type Poison = Schemas['PoisonMessage'];
export type Queue = Schemas['QueueState'];
export type Verb = 'replay' | 'discard';

/** A list has the first messages of each queue alone. */
const LISTED = 32;
/** So many are dealt with in one request. */
export const STEP = 50;

export const poisonQuery = (instanceId: string) =>
  queryOptions({
    queryKey: [instanceId, 'poison'],
    queryFn: ({ signal }) =>
      body(client.GET(POISON, { params: { path: { instanceId }, query: V }, signal })).then(
        (list) => list.value,
      ),
  });

export const queuesQuery = (instanceId: string) =>
  queryOptions({
    queryKey: [instanceId, 'queues'],
    queryFn: ({ signal }) =>
      body(
        client.GET('/deviceUpdate/{instanceId}/operations/queues', {
          params: { path: { instanceId }, query: V },
          signal,
        }),
      ).then((list) => list.value),
  });

export const keyOf = (row: Poison): string => `${row.queue}/${row.id}`;

export interface Cause {
  cause: string;
  messages: Poison[];
  /** Whether its queues hold more than they list, of whatever cause. */
  hasMore: boolean;
  /** How many there can be. */
  most: number;
}

/** Messages by cause, those with most of them first. */
export function byCause(messages: Poison[], queues: Queue[]): Cause[] {
  const listed = new Map<string, number>();
  const causes = new Map<string, Poison[]>();
  for (const each of messages) {
    listed.set(each.queue, (listed.get(each.queue) ?? 0) + 1);
    causes.set(each.cause, [...(causes.get(each.cause) ?? []), each]);
  }
  const hidden = (queue: string): number => {
    const here = listed.get(queue) ?? 0;
    const all = queues.find((each) => each.queue === queue)?.poisonMessageCount ?? 0;
    return here >= LISTED ? Math.max(0, all - here) : 0;
  };
  return [...causes]
    .map(([cause, found]) => {
      const unseen = [...new Set(found.map((each) => each.queue))].reduce(
        (sum, queue) => sum + hidden(queue),
        0,
      );
      return { cause, messages: found, hasMore: unseen > 0, most: found.length + unseen };
    })
    .sort((a, b) => b.messages.length - a.messages.length || a.cause.localeCompare(b.cause));
}

export interface Done {
  replayed: number;
  discarded: number;
}

/** Add what a request has done; how many messages those are. */
function add(done: Done, outcomes: Schemas['PoisonOutcomes']): number {
  const before = done.replayed + done.discarded;
  for (const each of outcomes.value) {
    done.replayed += each.replayedCount;
    done.discarded += each.discardedCount;
  }
  return done.replayed + done.discarded - before;
}

/**
 * Deal with all messages of a cause, a step a request; each tells what has been done so far.
 * What fails anew and comes back meanwhile is not taken up again: no more than `most` are.
 */
export async function* throughCause(
  instanceId: string,
  verb: Verb,
  { cause, most }: Pick<Cause, 'cause' | 'most'>,
): AsyncGenerator<Done> {
  const done: Done = { replayed: 0, discarded: 0 };
  for (let left = most; left > 0; ) {
    const maximum = Math.min(STEP, left);
    const params = { path: { instanceId }, query: V };
    const outcomes = await body(
      client.POST(`${POISON}:${verb}`, { params, body: { cause, maximum } }),
    );
    const handled = add(done, outcomes);
    yield { ...done };
    if (handled < maximum) return;
    left -= handled;
  }
}

/** Deal with single messages; one that is gone meanwhile needs nothing any more. */
export async function* throughMessages(
  instanceId: string,
  verb: Verb,
  messages: Poison[],
): AsyncGenerator<Done> {
  const done: Done = { replayed: 0, discarded: 0 };
  for (const { queue, id } of messages) {
    const params = { path: { instanceId, queue, messageId: id }, query: V };
    try {
      const outcomes = await body(
        verb === 'replay'
          ? client.POST(`${POISON}/{queue}/{messageId}:replay`, { params })
          : client.DELETE(`${POISON}/{queue}/{messageId}`, { params }),
      );
      add(done, outcomes);
    } catch (error) {
      if (!(error instanceof ApiError && error.status === 404)) throw error;
    }
    yield { ...done };
  }
}
