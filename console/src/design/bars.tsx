/** Bars: the parts of a whole side by side, with a legend whose numbers lead to the devices. */

import type { ReactNode } from 'react';
import { count, percent } from '../text/format';
import css from './bars.module.css';
import type { Tone } from './state';

export interface Part {
  tone: Tone;
  value: number;
  label: string;
  /** The number as a link, where there is a list behind it. */
  link?: (children: ReactNode) => ReactNode;
}

export function StackedBar({
  parts,
  total,
  label,
  size = 'large',
}: {
  parts: Part[];
  total?: number;
  label: string;
  size?: 'large' | 'small';
}) {
  const whole = total ?? parts.reduce((sum, part) => sum + part.value, 0);
  const text = parts.map((part) => `${count(part.value)} ${part.label}`).join(', ');
  return (
    <div className={`${css.bar} ${css[size]}`} role="img" aria-label={`${label}: ${text}`}>
      {parts
        .filter((part) => part.value > 0)
        .map((part) => (
          <span
            key={part.label}
            className={`${css.part} ${css[part.tone]}`}
            style={{ flexGrow: part.value / Math.max(whole, 1) }}
          />
        ))}
      {rest(parts, whole)}
    </div>
  );
}

function rest(parts: Part[], whole: number): ReactNode {
  const left = whole - parts.reduce((sum, part) => sum + part.value, 0);
  return left > 0 ? <span className={css.rest} style={{ flexGrow: left / whole }} /> : null;
}

export function Legend({ parts, total }: { parts: Part[]; total?: number }) {
  const whole = total ?? parts.reduce((sum, part) => sum + part.value, 0);
  return (
    <ul className={css.legend}>
      {parts.map((part) => {
        const number = <b>{count(part.value)}</b>;
        return (
          <li key={part.label}>
            <span className={`${css.dot} ${css[part.tone]}`} aria-hidden="true" />
            {part.link && part.value > 0 ? part.link(number) : number} {part.label}
            <small className="soft">{percent(part.value, whole)}</small>
          </li>
        );
      })}
    </ul>
  );
}

/** One value of a whole. */
export function Meter({
  value,
  total,
  tone,
  label,
}: {
  value: number;
  total: number;
  tone: Tone;
  label: string;
}) {
  const share = total > 0 ? Math.min(1, value / total) : 0;
  return (
    <div className={`${css.bar} ${css.thin}`} role="img" aria-label={label}>
      {share > 0 && (
        <span
          className={`${css.part} ${css[tone]}`}
          style={{ inlineSize: `max(${share * 100}%, 3px)` }}
        />
      )}
    </div>
  );
}
