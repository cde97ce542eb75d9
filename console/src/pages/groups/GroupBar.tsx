/** The compliance of one group as a bar and a share. */

import { useQuery } from '@tanstack/react-query';
import { groupComplianceQuery } from '../../api/queries';
import { live } from '../../app/live';
import { useInstance } from '../../app/me';
import { StackedBar } from '../../design/bars';
import { percent } from '../../text/format';
import css from './groups.module.css';
import { text } from './text';

export function GroupBar({ group }: { group: string }) {
  const instance = useInstance();
  const { data } = useQuery({
    ...groupComplianceQuery(instance, group),
    ...live,
  });
  return (
    <div className={css.share}>
      <StackedBar
        label={group}
        size="small"
        total={Math.max(1, data?.totalDeviceCount ?? 1)}
        parts={[
          { tone: 'ok', value: data?.onLatestUpdateDeviceCount ?? 0, label: text.onLatest },
          { tone: 'run', value: data?.updatesInProgressDeviceCount ?? 0, label: text.inProgress },
        ]}
      />
      <span className="number">
        {data && percent(data.onLatestUpdateDeviceCount, data.totalDeviceCount)}
      </span>
    </div>
  );
}
