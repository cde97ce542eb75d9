/** Small pieces of text: times, updates, what others wrote. */

import { Tooltip } from '@fluentui/react-components';
import { type ReactNode, useState } from 'react';
import type { UpdateId, UpdateInfo } from '../api/client';
import { exact, visible, when } from '../text/format';
import { words } from '../text/words';
import { today, useNow } from './clock';
import css from './text.module.css';

/** A moment: how long ago, or its local date; in full and in UTC on hover and on focus. */
export function Time({ at }: { at: string | null | undefined }) {
  useNow(15);
  if (!at) return <span className="soft">{words.notKnown}</span>;
  return (
    <Tooltip content={<span className={css.exact}>{exact(at)}</span>} relationship="description">
      <time dateTime={at} className={css.time}>
        {when(at, today())}
      </time>
    </Tooltip>
  );
}

/** What a device, a publisher or an operator wrote: never more than text. */
export function Foreign({ children, atMost = 2000 }: { children: string; atMost?: number }) {
  const [isWhole, setWhole] = useState(false);
  const text = visible(children);
  const isLong = text.length > atMost && !isWhole;
  return (
    <>
      <bdi>{isLong ? `${text.slice(0, atMost)}…` : text}</bdi>
      {isLong && (
        <button type="button" className={css.more} onClick={() => setWhole(true)}>
          {words.actions.showAll}
        </button>
      )}
    </>
  );
}

export const updateText = (id: UpdateId): string => `${id.provider} / ${id.name} ${id.version}`;

/** An update by its parts, the version in bold. */
export function UpdateName({ of }: { of: UpdateInfo | UpdateId }) {
  const id = 'updateId' in of ? of.updateId : of;
  return (
    <bdi>
      <span className={css.quiet}>{visible(id.provider)} / </span>
      {visible(id.name)} <span className={css.version}>{visible(id.version)}</span>
    </bdi>
  );
}

/** Names and values below each other. */
export function Facts({ facts }: { facts: [string, ReactNode][] }) {
  return (
    <dl className={css.facts}>
      {facts.map(([name, value]) => (
        <div key={name}>
          <dt>{name}</dt>
          <dd className="anywhere">{value}</dd>
        </div>
      ))}
    </dl>
  );
}

/** A text of two lines, the second one quiet. */
export function Two({ first, second }: { first: ReactNode; second?: ReactNode }) {
  return (
    <span className={css.two}>
      <span className={css.line}>{first}</span>
      {second && <small className="soft">{second}</small>}
    </span>
  );
}
