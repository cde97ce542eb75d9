/** Why devices failed: the code, what it means, what to do. */

import { Link } from '@tanstack/react-router';
import type { DeploymentStatus, FailureCount } from '../../api/client';
import { useInstance } from '../../app/me';
import { Meter } from '../../design/bars';
import { Card, Empty } from '../../design/card';
import { SucceededIcon } from '../../design/icons';
import { type Column, Table } from '../../design/table';
import { Foreign } from '../../design/text';
import { count, percent } from '../../text/format';
import css from './deployment.module.css';
import { text } from './text';

/** The failures of all classes, summed by code, the most frequent first. */
export function summed(status: DeploymentStatus): FailureCount[] {
  const sums = new Map<string, FailureCount>();
  for (const part of status.subgroupStatus) {
    for (const failure of part.failures ?? []) {
      const known = sums.get(failure.code);
      const deviceCount = failure.deviceCount + (known?.deviceCount ?? 0);
      sums.set(failure.code, { ...failure, deviceCount });
    }
  }
  return [...sums.values()].sort((a, b) => b.deviceCount - a.deviceCount);
}

export function Failures({
  status,
  total,
  group,
}: {
  status: DeploymentStatus;
  total: number;
  group: string;
}) {
  const failures = summed(status);
  return (
    <Card title={text.failures} isFlush={failures.length > 0}>
      {failures.length === 0 ? (
        <Empty icon={<SucceededIcon />} title={text.noFailures} isSmall />
      ) : (
        <FailureTable failures={failures} total={total} group={group} />
      )}
    </Card>
  );
}

export function FailureTable({
  failures,
  total,
  group,
}: {
  failures: FailureCount[];
  total: number;
  group: string;
}) {
  const instance = useInstance();
  const columns: Column<FailureCount>[] = [
    { head: text.code, narrow: 'title', cell: (failure) => <code>{failure.code}</code> },
    {
      head: text.means,
      narrow: 'line',
      grows: true,
      width: '40%',
      cell: (failure) => <Foreign>{failure.message}</Foreign>,
    },
    {
      head: text.toDo,
      narrow: 'line',
      grows: true,
      width: '40%',
      cell: (failure) => <span className="soft">{failure.nextStep}</span>,
    },
    {
      head: text.devices,
      narrow: 'state',
      isNumber: true,
      cell: (failure) => (
        <Link
          to="/$instance/devices"
          params={{ instance }}
          search={{ group, code: failure.code.padStart(8, '0') }}
        >
          <b>{count(failure.deviceCount)}</b>
        </Link>
      ),
    },
    {
      head: text.share,
      cell: (failure) => (
        <div className={css.failureShare}>
          <Meter
            value={failure.deviceCount}
            total={total}
            tone="bad"
            label={percent(failure.deviceCount, total)}
          />
        </div>
      ),
    },
  ];
  return (
    <Table
      label={text.failures}
      columns={columns}
      rows={failures}
      keyOf={(failure) => failure.code}
    />
  );
}
