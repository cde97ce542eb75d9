/** What needs somebody, by cause; each row leads to the devices. */

import { useQueries, useQuery } from '@tanstack/react-query';
import { Link } from '@tanstack/react-router';
import type { ReactNode } from 'react';
import { connectionsQuery, failuresQuery, groupsQuery, importsQuery } from '../../api/queries';
import { live } from '../../app/live';
import { useInstance } from '../../app/me';
import { Card, Empty, Skeleton } from '../../design/card';
import { SucceededIcon } from '../../design/icons';
import { StateIcon, type StateName } from '../../design/state';
import { Foreign } from '../../design/text';
import { count } from '../../text/format';
import { words } from '../../text/words';
import css from './overview.module.css';
import { text } from './text';

const SILENT_DAYS = 30;
const MOST_GROUPS = 20;
const DAY_MS = 86_400_000;

export function Attention() {
  const instance = useInstance();
  const groups = useQuery({ ...groupsQuery(instance), ...live });
  const failures = useQueries({
    queries: (groups.data ?? [])
      .slice(0, MOST_GROUPS)
      .map((group) => ({ ...failuresQuery(instance, group.groupId), ...live })),
  });
  const connections = useQuery({ ...connectionsQuery(instance), ...live });
  const imports = useQuery({ ...importsQuery(instance), ...live });
  if (!groups.data || !connections.data || failures.some((each) => each.isPending)) {
    return (
      <Card title={text.attention} span={4}>
        <Skeleton height={200} />
      </Card>
    );
  }
  const byCode = new Map<
    string,
    { message: string; nextStep: string; groups: string[]; devices: number }
  >();
  failures.forEach((reading, index) => {
    for (const failure of reading.data ?? []) {
      const known = byCode.get(failure.code) ?? { ...failure, groups: [], devices: 0 };
      known.groups.push(groups.data[index]!.groupId);
      known.devices += failure.deviceCount;
      byCode.set(failure.code, known);
    }
  });
  const limit = new Date(Date.now() - SILENT_DAYS * DAY_MS).toISOString().slice(0, 10);
  const silent = connections.data.lastContacts
    .filter((each) => each.date < limit)
    .reduce((sum, each) => sum + each.deviceCount, 0);
  const refused = (imports.data ?? []).filter((each) => each.status === 'Failed');
  const failed = [...byCode].sort(([, a], [, b]) => b.devices - a.devices);
  const total = failed.reduce((sum, [, each]) => sum + each.devices, 0) + silent;
  return (
    <Card title={text.attention} span={4} side={total > 0 && words.devices(total)}>
      {total + refused.length === 0 ? (
        <Empty icon={<SucceededIcon />} title={text.allWell}>
          {text.allWellText}
        </Empty>
      ) : (
        <div className={css.rows}>
          {failed.map(([code, each]) => (
            <Link
              key={code}
              to="/$instance/devices"
              params={{ instance }}
              search={{ group: each.groups[0], state: 'Failed' }}
              className={css.row}
            >
              <Row state="Failed" title={each.message} number={each.devices}>
                <code>{code}</code> {each.nextStep}
              </Row>
            </Link>
          ))}
          {silent > 0 && (
            <div className={css.row}>
              <Row state="Silent" title={text.silent(SILENT_DAYS)} number={silent}>
                {text.silentHint}
              </Row>
            </div>
          )}
          {refused.map((each) => (
            <Link
              key={each.operationId}
              to="/$instance/imports/$operation"
              params={{ instance, operation: each.operationId }}
              className={css.row}
            >
              <Row state="Failed" title={text.refused}>
                <Foreign>{each.error?.message ?? each.operationId}</Foreign>
              </Row>
            </Link>
          ))}
        </div>
      )}
    </Card>
  );
}

function Row({
  state,
  title,
  number,
  children,
}: {
  state: StateName;
  title: string;
  number?: number;
  children: ReactNode;
}) {
  return (
    <>
      <StateIcon state={state} />
      <span className={css.rowTitle}>
        <Foreign>{title}</Foreign>
      </span>
      <span className={css.rowNumber}>{number !== undefined && count(number)}</span>
      <small className={`${css.rowHint} soft anywhere`}>{children}</small>
    </>
  );
}
