/** One log collection, device by device. */

import { useQuery } from '@tanstack/react-query';
import { getRouteApi, Link } from '@tanstack/react-router';
import { body, client, type Schemas, V } from '../../api/client';
import { FOLLOWED_MS } from '../../app/live';
import { useInstance } from '../../app/me';
import { Card, Loaded, Skeleton } from '../../design/card';
import { Page } from '../../design/page';
import { StateLabel } from '../../design/state';
import { type Column, Table } from '../../design/table';
import { Foreign, Two } from '../../design/text';
import { visible } from '../../text/format';
import { words } from '../../text/words';
import { COLLECTION_STATES } from './states';
import { text } from './text';

const route = getRouteApi('/$instance/diagnostics/$operation');
type Row = Schemas['LogCollectionDeviceStatus'];

export function Collection() {
  const instanceId = useInstance();
  const { operation: operationId } = route.useParams();
  const status = useQuery({
    queryKey: [instanceId, 'collections', operationId],
    queryFn: ({ signal }) =>
      body(
        client.GET(
          '/deviceUpdate/{instanceId}/management/deviceDiagnostics/logCollections/{operationId}/detailedStatus',
          { params: { path: { instanceId, operationId }, query: V }, signal },
        ),
      ),
    refetchInterval: ({ state }) =>
      state.data?.status === 'Succeeded' || state.data?.status === 'Failed' ? false : FOLLOWED_MS,
  });
  const crumbs = [
    {
      text: text.title,
      link: { to: '/$instance/diagnostics', params: { instance: instanceId } } as const,
    },
  ];
  const it = status.data;
  if (!it) {
    return (
      <Page title={text.collections} crumbs={crumbs}>
        <Loaded reading={{ ...status, data: undefined }} height={200}>
          {() => <Skeleton />}
        </Loaded>
      </Page>
    );
  }
  const columns: Column<Row>[] = [
    {
      head: text.device,
      narrow: 'title',
      cell: (row) => (
        <Two
          first={
            <Link
              to="/$instance/devices/$device"
              params={{ instance: instanceId, device: row.deviceId }}
              search={{ module: row.moduleId ?? undefined }}
            >
              <bdi>{visible(row.deviceId)}</bdi>
            </Link>
          }
          second={row.moduleId && words.module(row.moduleId)}
        />
      ),
    },
    {
      head: text.state,
      narrow: 'state',
      cell: (row) => (
        <StateLabel state={COLLECTION_STATES[row.status]} text={text.states[row.status]} />
      ),
    },
    {
      head: text.result,
      narrow: 'fact',
      cell: (row) =>
        row.resultCode && (
          <code>
            {visible(row.resultCode)}
            {row.extendedResultCode ? ` ${visible(row.extendedResultCode)}` : ''}
          </code>
        ),
    },
    {
      head: text.where,
      narrow: 'line',
      grows: true,
      cell: (row) => row.logLocation && <Foreign>{row.logLocation}</Foreign>,
    },
  ];
  return (
    <Page
      title={it.description ?? text.untitled}
      heading={it.description ? <Foreign>{it.description}</Foreign> : text.untitled}
      state={<StateLabel state={COLLECTION_STATES[it.status]} text={text.states[it.status]} />}
      crumbs={crumbs}
    >
      <Card title={text.count(it.deviceStatus.length)} isFlush>
        <Table
          label={text.devices}
          columns={columns}
          rows={it.deviceStatus}
          keyOf={(row) => `${row.deviceId}/${row.moduleId ?? ''}`}
        />
      </Card>
    </Page>
  );
}
