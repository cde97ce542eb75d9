/** Diagnostic logs of devices, and the devices that are not healthy. */

import { Field, Input, Textarea } from '@fluentui/react-components';
import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query';
import { getRouteApi, Link, useNavigate } from '@tanstack/react-router';
import { useState } from 'react';
import { body, client, everyPage, type Schemas, V } from '../../api/client';
import { polled } from '../../app/live';
import { useInstance } from '../../app/me';
import { ActionButton } from '../../design/actions';
import { announce } from '../../design/announce';
import { Card, Empty, Grid, Loaded, Problem } from '../../design/card';
import { DeviceLink } from '../../design/device';
import { DiagnosticsIcon, LogsIcon } from '../../design/icons';
import { Page } from '../../design/page';
import { StateLabel } from '../../design/state';
import { type Column, Table } from '../../design/table';
import { Foreign, Time } from '../../design/text';
import { count, visible } from '../../text/format';
import css from './diagnostics.module.css';
import { COLLECTION_STATES } from './states';
import { text } from './text';

const route = getRouteApi('/$instance/diagnostics');
const D = '/deviceUpdate/{instanceId}/management/deviceDiagnostics';
const MOST_DEVICES = 100;
type LogCollection = Schemas['LogCollection'];
type DeviceHealth = Schemas['DeviceHealth'];

export function Diagnostics() {
  return (
    <Page title={text.title}>
      <Grid>
        <Collections />
        <NewCollection />
        <Unhealthy />
      </Grid>
    </Page>
  );
}

function Collections() {
  const instanceId = useInstance();
  const collections = useQuery({
    queryKey: [instanceId, 'collections'],
    queryFn: ({ signal }) =>
      everyPage(
        (token) =>
          body(
            client.GET(`${D}/logCollections`, {
              params: { path: { instanceId }, query: { ...V, token } },
              signal,
            }),
          ),
        500,
      ),
    ...polled,
  });
  const columns: Column<LogCollection>[] = [
    {
      head: text.description,
      narrow: 'title',
      grows: true,
      cell: (row) => (
        <Link
          to="/$instance/diagnostics/$operation"
          params={{ instance: instanceId, operation: row.operationId ?? '' }}
        >
          {row.description ? <Foreign atMost={200}>{row.description}</Foreign> : text.untitled}
        </Link>
      ),
    },
    {
      head: text.state,
      narrow: 'state',
      cell: (row) =>
        row.status && (
          <StateLabel state={COLLECTION_STATES[row.status]} text={text.states[row.status]} />
        ),
    },
    {
      head: text.devices,
      narrow: 'fact',
      isNumber: true,
      cell: (row) => count(row.deviceList.length),
    },
    {
      head: text.started,
      narrow: 'fact',
      isNumber: true,
      cell: (row) => <Time at={row.createdDateTime} />,
    },
  ];
  return (
    <Card title={text.collections} span={8} isFlush>
      <Loaded reading={collections} height={200}>
        {(rows) =>
          rows.length === 0 ? (
            <Empty icon={<LogsIcon />} title={text.none}>
              {text.noneHint}
            </Empty>
          ) : (
            <Table
              label={text.collections}
              columns={columns}
              rows={[...rows].sort((a, b) =>
                (b.createdDateTime ?? '').localeCompare(a.createdDateTime ?? ''),
              )}
              keyOf={(row) => row.operationId ?? ''}
            />
          )
        }
      </Loaded>
    </Card>
  );
}

function NewCollection() {
  const instanceId = useInstance();
  const { device } = route.useSearch();
  const navigate = useNavigate();
  const queries = useQueryClient();
  const [ids, setIds] = useState(device ?? '');
  const [description, setDescription] = useState('');
  const devices = ids
    .split('\n')
    .map((line) => line.trim())
    .filter(Boolean);
  const start = useMutation({
    mutationFn: async () => {
      const operationId = crypto.randomUUID().replaceAll('-', '');
      await body(
        client.PUT(`${D}/logCollections/{operationId}`, {
          params: { path: { instanceId, operationId }, query: V },
          body: {
            deviceList: devices.map((line) => {
              const [deviceId, moduleId] = line.split('/');
              return { deviceId: deviceId!, ...(moduleId ? { moduleId } : {}) };
            }),
            description: description || undefined,
          },
        }),
      );
      return operationId;
    },
    onSuccess: (operation) => {
      announce(text.didStart);
      queries.invalidateQueries({ queryKey: [instanceId, 'collections'] });
      navigate({
        to: '/$instance/diagnostics/$operation',
        params: { instance: instanceId, operation },
      });
    },
  });
  const whyNot =
    devices.length === 0 ? text.noDevice : devices.length > MOST_DEVICES ? text.tooMany : undefined;
  return (
    <Card title={text.new} span={4}>
      <div className={css.form}>
        <Field label={text.deviceIds} hint={text.upTo}>
          <Textarea
            value={ids}
            rows={5}
            resize="vertical"
            onChange={(_, data) => setIds(data.value)}
            spellCheck={false}
          />
        </Field>
        <Field label={text.describe}>
          <Input value={description} onChange={(_, data) => setDescription(data.value)} />
        </Field>
        {start.isError && <Problem error={start.error} />}
        <div>
          <ActionButton
            action="management/write"
            icon={<LogsIcon />}
            isMain
            isBusy={start.isPending}
            whyNot={whyNot}
            onClick={() => start.mutate()}
          >
            {text.start}
          </ActionButton>
        </div>
      </div>
    </Card>
  );
}

function Unhealthy() {
  const instanceId = useInstance();
  const health = useQuery({
    queryKey: [instanceId, 'unhealthy'],
    queryFn: ({ signal }) =>
      body(
        client.GET(`${D}/deviceHealth`, {
          params: { path: { instanceId }, query: { ...V, filter: "state eq 'unhealthy'" } },
          signal,
        }),
      ).then((page) => page.value),
    ...polled,
  });
  const columns: Column<DeviceHealth>[] = [
    {
      head: text.device,
      narrow: 'title',
      cell: (row) => <DeviceLink of={row} />,
    },
    {
      head: text.checks,
      narrow: 'line',
      grows: true,
      cell: (row) =>
        row.healthChecks
          .filter((check) => check.result !== 'success')
          .map((check) => visible(check.name))
          .join(', '),
    },
  ];
  return (
    <Card title={text.unhealthy} isFlush>
      <Loaded reading={health} height={120}>
        {(rows) =>
          rows.length === 0 ? (
            <Empty icon={<DiagnosticsIcon />} title={text.allHealthy} isSmall />
          ) : (
            <Table
              label={text.unhealthy}
              columns={columns}
              rows={rows}
              keyOf={(row) => `${row.deviceId}/${row.moduleId ?? ''}`}
            />
          )
        }
      </Loaded>
    </Card>
  );
}
