/** One log collection, device by device. */

import { Button } from '@fluentui/react-components';
import { useMutation, useQuery } from '@tanstack/react-query';
import { getRouteApi } from '@tanstack/react-router';
import { body, client, everyPage, type Schemas, V } from '../../api/client';
import { FOLLOWED_MS } from '../../app/live';
import { useInstance } from '../../app/me';
import { Card, Loaded, Problem, Skeleton } from '../../design/card';
import { DeviceName } from '../../design/device';
import { download } from '../../design/download';
import { DownloadIcon } from '../../design/icons';
import { Page } from '../../design/page';
import { StateLabel } from '../../design/state';
import { type Column, Table } from '../../design/table';
import { Foreign } from '../../design/text';
import { visible } from '../../text/format';
import css from './diagnostics.module.css';
import { COLLECTION_STATES } from './states';
import { text } from './text';

const route = getRouteApi('/$instance/diagnostics/$operation');
type Row = Schemas['LogCollectionDeviceStatus'];
type LogFile = Schemas['LogFile'];

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
      cell: (row) => <DeviceName of={row} />,
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
      head: text.logs,
      narrow: 'line',
      grows: true,
      cell: (row) => <Logs of={row} operation={operationId} />,
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

/** The files that a device has uploaded, each to be fetched by a link of an hour. */
function Logs({ of: row, operation: operationId }: { of: Row; operation: string }) {
  const instanceId = useInstance();
  const files = useQuery({
    queryKey: [instanceId, 'collections', operationId, 'files'],
    queryFn: ({ signal }) => readFiles(instanceId, operationId, signal),
    enabled: row.status === 'Succeeded',
  });
  const fetchIt = useMutation({
    mutationFn: async (name: string) => {
      const fresh = await readFiles(instanceId, operationId);
      const file = fresh.find((each) => isOf(each, row) && each.fileName === name);
      if (!file) throw new Error(text.gone);
      download(file.link);
    },
  });
  const own = (files.data ?? []).filter((each) => isOf(each, row));
  if (own.length === 0) return row.logLocation && <Foreign>{row.logLocation}</Foreign>;
  return (
    <span className={css.logs}>
      {own.map(({ fileName }) => (
        <Button
          key={fileName}
          size="small"
          icon={<DownloadIcon />}
          disabledFocusable={fetchIt.isPending}
          onClick={() => fetchIt.mutate(fileName)}
        >
          {visible(fileName)}
        </Button>
      ))}
      {fetchIt.isError && <Problem error={fetchIt.error} />}
    </span>
  );
}

const isOf = (file: LogFile, { deviceId, moduleId }: Row): boolean =>
  file.deviceId === deviceId && (file.moduleId ?? '') === (moduleId ?? '');

const readFiles = (instanceId: string, operationId: string, signal?: AbortSignal) =>
  everyPage((token) =>
    body(
      client.GET(
        '/deviceUpdate/{instanceId}/management/deviceDiagnostics/logCollections/{operationId}/files',
        { params: { path: { instanceId, operationId }, query: { ...V, token } }, signal },
      ),
    ),
  );
