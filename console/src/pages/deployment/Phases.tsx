/** The phases of a roll-out side by side; the open one stands out. */

import { limitOf, outcome, type PhaseOf, type Rollout } from '../../api/rollouts';
import { Meter, StackedBar } from '../../design/bars';
import { Card } from '../../design/card';
import { StateIcon, type StateName } from '../../design/state';
import { Time } from '../../design/text';
import { percent, visible } from '../../text/format';
import { isoDuration } from '../../text/iso-duration';
import { words } from '../../text/words';
import { WaitsFor } from '../deployments/WaitsFor';
import css from './rollout.module.css';
import { text } from './rollout-text';

export function Phases({ rollout }: { rollout: Rollout }) {
  const { state } = rollout;
  if (!state) return null;
  const limit = limitOf(rollout);
  const isStopped = ['Aborted', 'RolledBack', 'Rejected', 'Ended'].includes(state.status);
  return (
    <Card title={text.phases}>
      <ol className={css.phases}>
        {state.phases.map((phase, index) => {
          const given = rollout.phases?.[index];
          const isOpen = phase.status === 'Open' && !isStopped;
          const { bad, decided } = outcome(phase);
          const shown: StateName =
            phase.status === 'Passed'
              ? 'Succeeded'
              : phase.status === 'Open'
                ? isStopped
                  ? 'Canceled'
                  : state.status === 'Paused'
                    ? 'Paused'
                    : 'InProgress'
                : 'Waiting';
          return (
            // biome-ignore lint/suspicious/noArrayIndexKey: phases are known by their place
            <li key={index} className={css.phase} data-open={isOpen || undefined}>
              <h3>
                <StateIcon state={shown} />
                {index + 1}. <bdi>{visible(phase.name || selection(given))}</bdi>
              </h3>
              <StackedBar
                label={text.phase(index + 1)}
                size="small"
                total={Math.max(1, phase.asked)}
                parts={[
                  {
                    tone: 'ok',
                    value: phase.succeeded + phase.alreadyInstalled,
                    label: 'succeeded',
                  },
                  { tone: 'run', value: phase.open, label: 'in progress' },
                  { tone: 'bad', value: bad, label: 'failed' },
                  { tone: 'stop', value: phase.silent + phase.canceled, label: 'silent' },
                ]}
              />
              <p>
                {phase.status === 'Waiting'
                  ? text.notAsked
                  : text.asked(phase.succeeded + phase.alreadyInstalled, phase.asked)}
              </p>
              <p className="small soft">
                {selection(given)}
                {phase.passedAt ? (
                  <>
                    . {text.passed} <Time at={phase.passedAt} />
                  </>
                ) : phase.openedAt ? (
                  <>
                    . {text.opened} <Time at={phase.openedAt} />
                  </>
                ) : (
                  afterwards(given)
                )}
              </p>
              {isOpen && state.waitsFor && (
                <p className={css.waits}>
                  {text.thePhase} <WaitsFor words={state.waitsFor} />
                </p>
              )}
              {decided > 0 && (
                <div className={css.budget}>
                  <Meter
                    value={(100 * bad) / decided}
                    total={limit}
                    tone={(100 * bad) / decided >= limit ? 'bad' : bad ? 'warn' : 'ok'}
                    label={text.budget(percent(bad, decided), limit)}
                  />
                  <small className="soft">{text.budget(percent(bad, decided), limit)}</small>
                </div>
              )}
            </li>
          );
        })}
      </ol>
    </Card>
  );
}

/** Whom a phase selects, in words. */
export function selection(phase: PhaseOf | undefined): string {
  const { percent: share, count: number, classId } = phase?.select ?? {};
  if (share !== null && share !== undefined) return `${share} %`;
  if (number) return words.devices(number);
  return classId ? `class ${classId.slice(0, 8)}` : '';
}

function afterwards(phase: PhaseOf | undefined): string {
  const parts: string[] = [];
  const bake = phase?.gate?.bakeTime;
  if (bake && bake !== 'PT0S') parts.push(text.bake(isoDuration(bake)));
  if (phase?.gate?.advance === 'Manual') parts.push(text.gateManual);
  return parts.length ? `, ${parts.join(', ')}` : '';
}
