/** The groups with the most devices and how much of each is on the latest update. */

import { useQueries, useQuery } from '@tanstack/react-query';
import { Link } from '@tanstack/react-router';
import { groupComplianceQuery, groupsQuery } from '../../api/queries';
import { live } from '../../app/live';
import { useInstance } from '../../app/me';
import { StackedBar } from '../../design/bars';
import { Card, Empty, Loaded } from '../../design/card';
import { GroupsIcon } from '../../design/icons';
import { percent, visible } from '../../text/format';
import { words } from '../../text/words';
import css from './overview.module.css';
import { text } from './text';

const SHOWN = 6;

export function GroupShares() {
  const instance = useInstance();
  const groups = useQuery({ ...groupsQuery(instance), ...live });
  const largest = [...(groups.data ?? [])]
    .sort((a, b) => b.deviceCount - a.deviceCount)
    .slice(0, SHOWN);
  const shares = useQueries({
    queries: largest.map((group) => ({
      ...groupComplianceQuery(instance, group.groupId),
      ...live,
    })),
  });
  return (
    <Card
      title={text.groups}
      side={
        <Link to="/$instance/groups" params={{ instance }}>
          {text.allGroups}
        </Link>
      }
    >
      <Loaded reading={groups} height={160}>
        {() =>
          largest.length === 0 ? (
            <Empty icon={<GroupsIcon />} title={words.empty} />
          ) : (
            <ul>
              {largest.map((group, index) => {
                const share = shares[index]?.data;
                return (
                  <li key={group.groupId} className={css.share2}>
                    <Link
                      to="/$instance/groups/$group"
                      params={{ instance, group: group.groupId }}
                      className="oneline"
                    >
                      <bdi>{visible(group.groupId)}</bdi>
                    </Link>
                    <StackedBar
                      label={group.groupId}
                      size="small"
                      total={Math.max(1, share?.totalDeviceCount ?? 1)}
                      parts={[
                        {
                          tone: 'ok',
                          value: share?.onLatestUpdateDeviceCount ?? 0,
                          label: text.onLatest,
                        },
                        {
                          tone: 'run',
                          value: share?.updatesInProgressDeviceCount ?? 0,
                          label: text.inProgress,
                        },
                      ]}
                    />
                    <span className="number">
                      {share && percent(share.onLatestUpdateDeviceCount, share.totalDeviceCount)}
                    </span>
                  </li>
                );
              })}
            </ul>
          )
        }
      </Loaded>
    </Card>
  );
}
