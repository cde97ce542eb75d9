/** All groups with how much of each is on the latest update. */

import { useQuery } from '@tanstack/react-query';
import { getRouteApi, Link } from '@tanstack/react-router';
import { body, client, everyPage, type Group, V } from '../../api/client';
import { live } from '../../app/live';
import { useInstance } from '../../app/me';
import { Card, Empty, Loaded } from '../../design/card';
import { Choose, Filters } from '../../design/filters';
import { GroupsIcon } from '../../design/icons';
import { Page } from '../../design/page';
import { type Column, Table } from '../../design/table';
import { Time, Two } from '../../design/text';
import { count, visible } from '../../text/format';
import { GroupBar } from './GroupBar';
import { text } from './text';

const route = getRouteApi('/$instance/groups');
const ORDERS = {
  name: 'groupId',
  devices: 'deviceCount desc',
  waiting: 'subgroupsWithNewUpdatesAvailableCount desc',
  progress: 'subgroupsWithUpdatesInProgressCount desc',
  latest: 'subgroupsOnLatestUpdateCount desc',
} as const;

export function Groups() {
  const instanceId = useInstance();
  const { order } = route.useSearch();
  const navigate = route.useNavigate();
  const groups = useQuery({
    queryKey: [instanceId, 'groups', 'ordered', order ?? ''],
    queryFn: ({ signal }) =>
      everyPage((token) =>
        body(
          client.GET('/deviceUpdate/{instanceId}/management/groups', {
            params: {
              path: { instanceId },
              query: { ...V, orderby: order && ORDERS[order], token },
            },
            signal,
          }),
        ),
      ),
    ...live,
  });
  return (
    <Page
      title={text.title}
      state={groups.data && <span className="soft">{count(groups.data.length)}</span>}
    >
      <Filters>
        <Choose
          label={text.order}
          value={order ?? 'name'}
          isAlwaysSet
          options={text.orders}
          onChange={(value) =>
            navigate({ search: { order: text.orders.find(([key]) => key === value)?.[0] } })
          }
        />
      </Filters>
      <Card isFlush>
        <Loaded reading={groups} height={300}>
          {(rows) =>
            rows.length === 0 ? (
              <Empty icon={<GroupsIcon />} title={text.none}>
                {text.noneHint}
              </Empty>
            ) : (
              <Table
                label={text.title}
                columns={columnsOf(instanceId)}
                rows={rows}
                keyOf={(row) => row.groupId}
              />
            )
          }
        </Loaded>
      </Card>
    </Page>
  );
}

function columnsOf(instance: string): Column<Group>[] {
  return [
    {
      head: text.group,
      narrow: 'title',
      cell: (group) => (
        <Two
          first={
            <Link to="/$instance/groups/$group" params={{ instance, group: group.groupId }}>
              <bdi>{visible(group.groupId)}</bdi>
            </Link>
          }
          second={group.groupType === 'DefaultNoTag' && text.defaultGroup}
        />
      ),
    },
    {
      head: text.devices,
      narrow: 'state',
      isNumber: true,
      cell: (group) => <b>{count(group.deviceCount)}</b>,
    },
    {
      head: text.compliance,
      narrow: 'line',
      grows: true,
      cell: (group) => <GroupBar group={group.groupId} />,
    },
    {
      head: text.waiting,
      narrow: 'fact',
      isNumber: true,
      cell: (group) => count(group.subgroupsWithNewUpdatesAvailableCount),
    },
    {
      head: text.running,
      isNumber: true,
      cell: (group) => count(group.deployments.length),
    },
    { head: 'Since', isNumber: true, cell: (group) => <Time at={group.createdDateTime} /> },
  ];
}
