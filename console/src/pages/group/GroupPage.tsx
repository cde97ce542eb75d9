/** One group: compliance, classes with what is best for them, failures, deployments. */

import { useQuery } from '@tanstack/react-query';
import { getRouteApi, Link } from '@tanstack/react-router';
import { groupStandingsQuery } from '../../api/deployments';
import { ApiError } from '../../api/errors';
import { HISTORY_MS, historyOfGroup } from '../../api/fleet';
import {
  bestUpdatesQuery,
  classesQuery,
  className,
  failuresQuery,
  groupComplianceQuery,
  groupQuery,
  subgroupsQuery,
} from '../../api/queries';
import { live } from '../../app/live';
import { useInstance } from '../../app/me';
import { ButtonLink } from '../../design/actions';
import { Legend, type Part, StackedBar } from '../../design/bars';
import { Card, Empty, Grid, Loaded, Problem } from '../../design/card';
import { AddIcon, DeploymentsIcon, DevicesIcon, SucceededIcon } from '../../design/icons';
import { Page } from '../../design/page';
import { type Column, Table } from '../../design/table';
import { UpdateName } from '../../design/text';
import { Trend } from '../../design/trend';
import { count, percent, visible } from '../../text/format';
import { words } from '../../text/words';
import { FailureTable } from '../deployment/Failures';
import { DeploymentTable } from '../deployments/DeploymentTable';
import css from './group.module.css';
import { text } from './text';

const route = getRouteApi('/$instance/groups/$group');

export function GroupPage() {
  const instance = useInstance();
  const { group: id } = route.useParams();
  const group = useQuery({ ...groupQuery(instance, id), ...live });
  const compliance = useQuery({ ...groupComplianceQuery(instance, id), ...live });
  const history = useQuery({ ...historyOfGroup(instance, id), staleTime: HISTORY_MS });
  const failures = useQuery({ ...failuresQuery(instance, id), ...live });
  const standings = useQuery({ ...groupStandingsQuery(instance, id), ...live });
  const crumbs = [
    { text: text.groups, link: { to: '/$instance/groups', params: { instance } } as const },
  ];
  if (group.error instanceof ApiError && group.error.status === 404) {
    return (
      <Page title={id} heading={<bdi>{visible(id)}</bdi>} crumbs={crumbs}>
        <Problem error={group.error} onRetry={() => group.refetch()} />
      </Page>
    );
  }
  return (
    <Page
      title={id}
      heading={<bdi>{visible(id)}</bdi>}
      state={group.data && <span className="soft">{words.devices(group.data.deviceCount)}</span>}
      crumbs={crumbs}
      actions={
        <>
          <ButtonLink
            to="/$instance/deployments/new"
            params={{ instance }}
            search={{ group: id }}
            isMain
          >
            <AddIcon /> {text.newDeployment}
          </ButtonLink>
          <ButtonLink to="/$instance/devices" params={{ instance }} search={{ group: id }}>
            <DevicesIcon /> {text.showDevices}
          </ButtonLink>
        </>
      }
    >
      <Grid>
        <Card title={text.compliance} span={6}>
          <Loaded reading={compliance} height={120}>
            {(data) => {
              const parts: Part[] = [
                { tone: 'ok', value: data.onLatestUpdateDeviceCount, label: text.onLatest },
                { tone: 'run', value: data.updatesInProgressDeviceCount, label: text.inProgress },
                { tone: 'wait', value: data.newUpdatesAvailableDeviceCount, label: text.available },
              ];
              return (
                <>
                  <p className={css.big}>
                    {percent(data.onLatestUpdateDeviceCount, data.totalDeviceCount)}{' '}
                    <span className={css.of}>{text.of(count(data.totalDeviceCount))}</span>
                  </p>
                  <div className={css.trend}>
                    <Trend history={history.data} />
                  </div>
                  <StackedBar parts={parts} total={data.totalDeviceCount} label={text.compliance} />
                  <Legend parts={parts} total={data.totalDeviceCount} />
                </>
              );
            }}
          </Loaded>
        </Card>
        <Classes group={id} />
        <Card title={text.failures} isFlush={Boolean(failures.data?.length)}>
          <Loaded reading={failures} height={120}>
            {(rows) =>
              rows.length === 0 ? (
                <Empty icon={<SucceededIcon />} title={text.noFailures} isSmall />
              ) : (
                <FailureTable
                  failures={rows}
                  total={rows.reduce((sum, row) => sum + row.deviceCount, 0)}
                  group={id}
                />
              )
            }
          </Loaded>
        </Card>
        <Card title={text.deployments} isFlush>
          <Loaded reading={standings} height={160}>
            {(rows) =>
              rows.length === 0 ? (
                <Empty icon={<DeploymentsIcon />} title={text.noDeployments} />
              ) : (
                <DeploymentTable label={text.deployments} standings={rows} />
              )
            }
          </Loaded>
        </Card>
      </Grid>
    </Page>
  );
}

interface Row {
  id: string;
  devices: number;
}

function Classes({ group }: { group: string }) {
  const instance = useInstance();
  const subgroups = useQuery({ ...subgroupsQuery(instance, group), ...live });
  const best = useQuery({ ...bestUpdatesQuery(instance, group), ...live });
  const classes = useQuery(classesQuery(instance));
  const bestOf = (id: string) => best.data?.find((each) => each.deviceClassId === id);
  const columns: Column<Row>[] = [
    {
      head: text.class,
      narrow: 'title',
      cell: (row) => (
        <bdi>
          {visible(
            className(
              classes.data?.find((each) => each.deviceClassId === row.id),
              row.id,
            ),
          )}
        </bdi>
      ),
    },
    { head: text.devices, narrow: 'state', isNumber: true, cell: (row) => count(row.devices) },
    {
      head: text.best,
      narrow: 'line',
      grows: true,
      cell: (row) => {
        const known = bestOf(row.id);
        if (!known) return <span className="soft">{text.upToDate}</span>;
        return (
          <Link
            to="/$instance/updates/$provider/$name/$version"
            params={{ instance, ...known.update.updateId }}
          >
            <UpdateName of={known.update} />
          </Link>
        );
      },
    },
    {
      head: text.waiting,
      narrow: 'fact',
      isNumber: true,
      cell: (row) => {
        const known = bestOf(row.id);
        if (!known?.deviceCount) return count(0);
        return (
          <Link
            to="/$instance/deployments/new"
            params={{ instance }}
            search={{ group, update: Object.values(known.update.updateId).join('/') }}
          >
            {text.deploy} {count(known.deviceCount)}
          </Link>
        );
      },
    },
  ];
  return (
    <Card title={text.classes} span={6} isFlush>
      <Loaded reading={subgroups} height={120}>
        {(rows) =>
          rows.length === 0 ? (
            <Empty title={text.noClasses} />
          ) : (
            <Table
              label={text.classes}
              columns={columns}
              rows={rows.map((row) => ({ id: row.deviceClassId, devices: row.deviceCount }))}
              keyOf={(row) => row.id}
            />
          )
        }
      </Loaded>
    </Card>
  );
}
