/** Why the open phase of a roll-out does not go on yet, as the service says it. */

import { Fragment } from 'react';
import { Time } from '../../design/text';
import { visible } from '../../text/format';

const INSTANT = /(\d{4}-\d\d-\d\d) (\d\d:\d\d) UTC/;

/** The words go on after the name of the phase; the time in them becomes a local one. */
export function WaitsFor({ words }: { words: string }) {
  const [before = '', day, time, after] = words.split(INSTANT);
  if (!day || !time) return <bdi>{visible(words)}</bdi>;
  return (
    <Fragment>
      {before}
      <Time at={`${day}T${time}:00Z`} />
      {after}
    </Fragment>
  );
}
