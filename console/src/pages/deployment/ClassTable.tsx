/** How a deployment stands in each device class. */

import type { DeploymentStatus } from '../../api/client';
import { StackedBar } from '../../design/bars';
import { type Column, Table } from '../../design/table';
import { count, visible } from '../../text/format';
import { words } from '../../text/words';
import css from './deployment.module.css';
import { text } from './text';

type Row = DeploymentStatus['subgroupStatus'][number];

export function ClassTable({
  status,
  nameOfClass,
}: {
  status: DeploymentStatus;
  nameOfClass: (id: string) => string;
}) {
  if (status.subgroupStatus.length === 0) return null;
  const columns: Column<Row>[] = [
    {
      head: text.class,
      narrow: 'title',
      cell: (row) => <bdi>{visible(nameOfClass(row.deviceClassId))}</bdi>,
    },
    {
      head: text.progress,
      narrow: 'line',
      grows: true,
      cell: (row) => (
        <StackedBar
          label={text.progress}
          size="small"
          total={Math.max(1, row.totalDevices)}
          parts={[
            { tone: 'ok', value: row.devicesCompletedSucceededCount, label: text.succeeded },
            { tone: 'run', value: row.devicesInProgressCount, label: text.inProgress },
            { tone: 'bad', value: row.devicesCompletedFailedCount, label: text.failed },
            { tone: 'stop', value: row.devicesCanceledCount, label: text.canceled },
          ]}
        />
      ),
    },
    {
      head: words.states.Succeeded,
      narrow: 'fact',
      isNumber: true,
      cell: (row) => `${count(row.devicesCompletedSucceededCount)} of ${count(row.totalDevices)}`,
    },
    {
      head: words.states.Failed,
      narrow: 'fact',
      isNumber: true,
      cell: (row) => count(row.devicesCompletedFailedCount),
    },
  ];
  return (
    <div className={css.inset}>
      <Table
        label={text.classes}
        columns={columns}
        rows={status.subgroupStatus}
        keyOf={(row) => row.deviceClassId}
      />
    </div>
  );
}
