/** One action on failed messages while it runs and after: what was done, and what stopped it. */

import { useQueryClient } from '@tanstack/react-query';
import { useRef, useState } from 'react';
import {
  type Cause,
  type Done,
  type Poison,
  throughCause,
  throughMessages,
  type Verb,
} from '../../api/poison';
import { useInstance } from '../../app/me';

/** All of a cause, or those that were chosen. */
export type Target = Pick<Cause, 'cause' | 'most'> | Poison[];

export interface Run {
  verb: Verb;
  target: Target;
  done: Done;
  /** How many there are at most. */
  most: number;
  state: 'running' | 'stopping' | 'ended' | 'stopped' | 'failed';
  error: unknown;
}

const NOTHING: Done = { replayed: 0, discarded: 0 };

/** Runs one action at a time; `before` is what an earlier try of the same has done. */
export function usePoisonRun() {
  const instance = useInstance();
  const queries = useQueryClient();
  const [run, setRun] = useState<Run | null>(null);
  const isStopping = useRef(false);

  async function start(verb: Verb, target: Target, before: Done = NOTHING): Promise<void> {
    const most = Array.isArray(target) ? target.length : target.most;
    const change = (of: Partial<Run>) => setRun((old) => old && { ...old, ...of });
    isStopping.current = false;
    setRun({
      verb,
      target,
      most,
      done: before,
      state: 'running',
      error: null,
    });
    const steps = Array.isArray(target)
      ? throughMessages(instance, verb, target)
      : throughCause(instance, verb, target);
    try {
      for await (const done of steps) {
        change({
          done: {
            replayed: before.replayed + done.replayed,
            discarded: before.discarded + done.discarded,
          },
        });
        if (isStopping.current) break;
      }
      change({ state: isStopping.current ? 'stopped' : 'ended' });
    } catch (error) {
      change({ state: 'failed', error });
    } finally {
      for (const subject of ['poison', 'queues', 'health', 'attention']) {
        queries.invalidateQueries({ queryKey: [instance, subject] });
      }
    }
  }

  function stop(): void {
    isStopping.current = true;
    setRun((old) => old && { ...old, state: 'stopping' });
  }

  return { run, start, stop, close: () => setRun(null) };
}
