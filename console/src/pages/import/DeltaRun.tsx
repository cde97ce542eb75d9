/** Deltas that are being made, and what came of each file. */

import type { Operation } from '../../api/client';
import type { DeltaOutcome } from '../../api/deltas';
import { Meter } from '../../design/bars';
import { Card, Empty } from '../../design/card';
import { DeltaIcon } from '../../design/icons';
import { StateIcon } from '../../design/state';
import { type Column, Table } from '../../design/table';
import { Foreign } from '../../design/text';
import { bytes, percent } from '../../text/format';
import css from './import.module.css';
import { deltas as text } from './text';

export function DeltaRun({ operation }: { operation: Operation }) {
  const { status, deltas, bytesDone, bytesTotal } = operation;
  const isMoving = status === 'NotStarted' || status === 'Running';
  const done = text.progress(bytes(bytesDone ?? 0), bytes(bytesTotal ?? 0));
  return (
    <Card title={text.title} span={8} isFlush>
      {isMoving && bytesTotal ? (
        <div className={css.deltaProgress}>
          <Meter value={bytesDone ?? 0} total={bytesTotal} tone="run" label={done} />
          <small>{done}</small>
        </div>
      ) : null}
      {deltas?.length ? (
        <Table label={text.title} columns={COLUMNS} rows={deltas} keyOf={(row) => row.fileName} />
      ) : (
        <Empty icon={<DeltaIcon />} title={isMoving ? text.notYet : text.none} isSmall />
      )}
    </Card>
  );
}

const saving = ({ sizeInBytes, deltaSizeInBytes }: DeltaOutcome): string =>
  deltaSizeInBytes === null || deltaSizeInBytes === undefined
    ? ''
    : percent(Math.max(0, sizeInBytes - deltaSizeInBytes), sizeInBytes);

const COLUMNS: Column<DeltaOutcome>[] = [
  {
    head: text.file,
    narrow: 'title',
    grows: true,
    cell: (row) => <Foreign>{row.fileName}</Foreign>,
  },
  { head: text.whole, narrow: 'fact', isNumber: true, cell: (row) => bytes(row.sizeInBytes) },
  {
    head: text.delta,
    narrow: 'fact',
    isNumber: true,
    cell: (row) => (row.deltaSizeInBytes ? bytes(row.deltaSizeInBytes) : ''),
  },
  { head: text.saves, narrow: 'state', isNumber: true, cell: saving },
  {
    head: text.outcome,
    narrow: 'line',
    cell: (row) => (
      <span className="anywhere">
        <StateIcon state={row.reason ? 'Canceled' : 'Succeeded'} />{' '}
        {row.reason ? <Foreign>{row.reason}</Foreign> : text.made}
      </span>
    ),
  },
];
