/** The phases of a roll-out in one line; small ones stay visible, for widths go by the square root. */

import { outcome, phaseSizes, type Rollout } from '../../api/rollouts';
import type { Tone } from '../../design/state';
import css from './deployments.module.css';
import { text } from './text';
import { WaitsFor } from './WaitsFor';

export function PhaseTrack({ rollout, total }: { rollout: Rollout; total: number }) {
  const { state } = rollout;
  if (!state) return null;
  const sizes = phaseSizes(rollout, total);
  const current = state.phase ?? -1;
  const label = current < 0 ? text.notStarted : text.phase(current + 1, state.phases.length);
  return (
    <div className={css.withText}>
      <div className={css.track} aria-hidden="true">
        {state.phases.map((phase, index) => {
          const { bad } = outcome(phase);
          const done = phase.succeeded + phase.alreadyInstalled + bad;
          const share = phase.status === 'Passed' ? 1 : done / Math.max(1, sizes[index]!, done);
          const tone: Tone =
            bad > 0 && phase.status !== 'Passed' ? 'warn' : phase.status === 'Open' ? 'run' : 'ok';
          return (
            <span
              // biome-ignore lint/suspicious/noArrayIndexKey: phases are known by their place
              key={index}
              className={`${css.phase} ${phase.status === 'Open' ? css.open : ''}`}
              style={{ flexGrow: Math.sqrt(Math.max(1, sizes[index]!)) }}
            >
              <span className={css[tone]} style={{ inlineSize: `${100 * share}%` }} />
            </span>
          );
        })}
      </div>
      <small className="soft">
        {label}
        {state.waitsFor && (
          <>
            {' '}
            <WaitsFor words={state.waitsFor} />
          </>
        )}
      </small>
    </div>
  );
}
