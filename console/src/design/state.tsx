/** How a state looks: text plus icon plus colour, never colour alone. */

import type { ReactNode } from 'react';
import { words } from '../text/words';
import {
  CancelIcon,
  FailedIcon,
  InProgressIcon,
  NotYetIcon,
  PauseIcon,
  SilentIcon,
  SucceededIcon,
  WaitingIcon,
  WarningIcon,
} from './icons';
import css from './state.module.css';

export type Tone = 'ok' | 'run' | 'bad' | 'warn' | 'wait' | 'stop';
export type StateName = keyof typeof words.states;

const LOOKS: Record<StateName, { tone: Tone; icon: ReactNode }> = {
  Succeeded: { tone: 'ok', icon: <SucceededIcon /> },
  OnLatest: { tone: 'ok', icon: <SucceededIcon /> },
  InProgress: { tone: 'run', icon: <InProgressIcon /> },
  Failed: { tone: 'bad', icon: <FailedIcon /> },
  Stuck: { tone: 'warn', icon: <WarningIcon /> },
  Paused: { tone: 'warn', icon: <PauseIcon /> },
  Waiting: { tone: 'wait', icon: <WaitingIcon /> },
  Available: { tone: 'wait', icon: <WaitingIcon /> },
  Canceled: { tone: 'stop', icon: <CancelIcon /> },
  Silent: { tone: 'stop', icon: <SilentIcon /> },
  None: { tone: 'wait', icon: <NotYetIcon /> },
};

export const toneOf = (state: StateName): Tone => LOOKS[state].tone;

export function StateLabel({ state, text }: { state: StateName; text?: string }) {
  const { tone, icon } = LOOKS[state];
  return <Mark tone={tone} icon={icon} text={text ?? words.states[state]} />;
}

/** An icon and a text in the colour of a tone. */
export function Mark({ tone, icon, text }: { tone: Tone; icon: ReactNode; text: string }) {
  return (
    <span className={`${css.mark} ${css[tone]}`}>
      <span className={css.icon} aria-hidden="true">
        {icon}
      </span>
      {text}
    </span>
  );
}

/** The icon alone, in its colour, beside a text that is neutral. */
export function StateIcon({ state }: { state: StateName }) {
  const { tone, icon } = LOOKS[state];
  return (
    <span className={`${css.icon} ${css[tone]}`} aria-hidden="true">
      {icon}
    </span>
  );
}

/** A short text on a tinted ground, such as the stage of an import. */
export function Pill({ tone, children }: { tone: Tone; children: ReactNode }) {
  return <span className={`${css.pill} ${css[tone]} ${css[`${tone}Tint`]}`}>{children}</span>;
}
