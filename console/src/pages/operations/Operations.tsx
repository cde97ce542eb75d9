/** How the service itself is: connections, events that were refused, counters, operations. */

import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query';
import { Link } from '@tanstack/react-router';
import { useState } from 'react';
import { client, type Operation, type Schemas, V } from '../../api/client';
import { connectionsQuery, deviceOperationsQuery, eventHealthQuery } from '../../api/queries';
import { NotShown } from '../../app/Guarded';
import { live, polled } from '../../app/live';
import { useInstance, useMay } from '../../app/me';
import { ActionButton } from '../../design/actions';
import { announce } from '../../design/announce';
import { Legend, Meter, type Part, StackedBar } from '../../design/bars';
import { Card, Empty, Grid, Loaded, Problem } from '../../design/card';
import { Confirm } from '../../design/confirm';
import { OperationsIcon, RetryIcon, SignedIcon } from '../../design/icons';
import { Page } from '../../design/page';
import { StateLabel, type StateName } from '../../design/state';
import { type Column, Table } from '../../design/table';
import { Foreign, Time, Two } from '../../design/text';
import { count, day, visible } from '../../text/format';
import css from './operations.module.css';
import { PoisonMessages } from './Poison';
import { Health, KeysAndScanners, Queues } from './Service';
import { text } from './text';

const SHOWN_DAYS = 8;
const SHOWN_OF_ID = 36;

export function Operations() {
  const instance = useInstance();
  return (
    <Page title={text.title} actions={<Actions />}>
      <Grid>
        <Connections instance={instance} />
        <Events instance={instance} />
        <Service />
        <KeysAndScanners />
        <DeviceOperations instance={instance} />
      </Grid>
    </Page>
  );
}

/** What only those who run the service may see. */
function Service() {
  const may = useMay('operations/read');
  if (may.isKnown && !may.isAllowed) {
    return (
      <Card title={text.service}>
        <NotShown action="operations/read" />
      </Card>
    );
  }
  return (
    <>
      <Health />
      <Queues />
      <PoisonMessages />
    </>
  );
}

function Actions() {
  const instanceId = useInstance();
  const queries = useQueryClient();
  const [isAsking, setAsking] = useState(false);
  const start = useMutation({
    mutationFn: async (what: 'import' | 'scan') => {
      const params = { path: { instanceId }, query: V };
      if (what === 'import') {
        await client.POST('/deviceUpdate/{instanceId}/management/devices:import', {
          params,
          body: 'All' as never,
        });
      } else await client.POST('/deviceUpdate/{instanceId}/updates:scan', { params });
      return what;
    },
    onSuccess: (what) => {
      setAsking(false);
      announce(what === 'import' ? text.importStarted : text.scanStarted);
      queries.invalidateQueries({ queryKey: [instanceId] });
    },
  });
  const ask = () => {
    start.reset();
    setAsking(true);
  };
  return (
    <>
      <ActionButton action="management/write" icon={<RetryIcon />} onClick={ask}>
        {text.import}
      </ActionButton>
      <ActionButton
        action="updates/write"
        icon={<SignedIcon />}
        isBusy={start.isPending}
        onClick={() => start.mutate('scan')}
      >
        {text.scan}
      </ActionButton>
      {start.isError && !isAsking && <Problem error={start.error} />}
      {isAsking && (
        <Confirm
          title={text.importTitle}
          verb={text.import}
          isBusy={start.isPending}
          error={start.error}
          onConfirm={() => start.mutate('import')}
          onClose={() => setAsking(false)}
        >
          <p>{text.importText}</p>
        </Confirm>
      )}
    </>
  );
}

function Connections({ instance }: { instance: string }) {
  const connections = useQuery({ ...connectionsQuery(instance), ...live });
  return (
    <Card title={text.connection} span={6}>
      <Loaded reading={connections} height={200}>
        {(it) => {
          const parts: Part[] = [
            { tone: 'ok', value: it.connectedDeviceCount, label: text.connected },
            { tone: 'stop', value: it.disconnectedDeviceCount, label: text.disconnected },
            { tone: 'wait', value: it.unknownDeviceCount, label: text.unknown },
          ];
          const days = [...it.lastContacts]
            .sort((a, b) => b.date.localeCompare(a.date))
            .slice(0, SHOWN_DAYS);
          const most = Math.max(1, ...days.map((each) => each.deviceCount));
          return (
            <>
              <StackedBar parts={parts} total={it.totalDeviceCount} label={text.connection} />
              <Legend parts={parts} total={it.totalDeviceCount} />
              <h3 className={css.below}>{text.days}</h3>
              {days.length === 0 && <p className="soft">{text.noDays}</p>}
              <ul className={css.days}>
                {days.map((each) => (
                  <li key={each.date}>
                    <span>{day(`${each.date}T12:00:00Z`)}</span>
                    <Meter
                      value={each.deviceCount}
                      total={most}
                      tone="run"
                      label={`${each.date}: ${count(each.deviceCount)}`}
                    />
                    <span className="number">{count(each.deviceCount)}</span>
                  </li>
                ))}
              </ul>
            </>
          );
        }}
      </Loaded>
    </Card>
  );
}

type Refused = Schemas['RefusedEventCount'];
type Drift = Schemas['CounterDrift'];

const REFUSED: Column<Refused>[] = [
  {
    head: text.reason,
    narrow: 'title',
    grows: true,
    cell: (row) => text.reasons[row.reason] ?? visible(row.reason),
  },
  { head: text.times, narrow: 'state', isNumber: true, cell: (row) => count(row.count) },
  {
    head: text.last,
    narrow: 'fact',
    isNumber: true,
    cell: (row) => <Time at={row.lastDateTime} />,
  },
];

const DRIFTS: Column<Drift>[] = [
  { head: text.group, narrow: 'title', cell: (row) => <bdi>{visible(row.groupId)}</bdi> },
  {
    head: text.counter,
    narrow: 'line',
    grows: true,
    cell: (row) => <code>{visible(row.counter)}</code>,
  },
  { head: text.found, narrow: 'fact', isNumber: true, cell: (row) => count(row.found) },
  { head: text.recounted, narrow: 'fact', isNumber: true, cell: (row) => count(row.counted) },
];

function Events({ instance }: { instance: string }) {
  const health = useQuery({ ...eventHealthQuery(instance), ...polled });
  return (
    <Card title={text.events} span={6}>
      <Loaded reading={health} height={200}>
        {(it) => (
          <>
            {it.refusedEvents.length === 0 ? (
              <StateLabel state="Succeeded" text={text.noEvents} />
            ) : (
              <div className={css.inset}>
                <Table
                  label={text.events}
                  columns={REFUSED}
                  rows={it.refusedEvents}
                  keyOf={(row) => row.reason}
                />
              </div>
            )}
            <h3 className={css.below}>{text.drift}</h3>
            {it.counterDrifts.length === 0 ? (
              <StateLabel state="Succeeded" text={text.noDrift} />
            ) : (
              <div className={css.inset}>
                <Table
                  label={text.drift}
                  columns={DRIFTS}
                  rows={it.counterDrifts}
                  keyOf={(row) =>
                    `${row.groupId}${row.deviceClassId}${row.counter}${row.driftedDateTime}`
                  }
                />
              </div>
            )}
            <p className="small soft">
              {text.counted(it.recountedBucketCount)}
              {it.oldestRecountDateTime && (
                <>
                  , {text.oldest} <Time at={it.oldestRecountDateTime} />
                </>
              )}
            </p>
          </>
        )}
      </Loaded>
    </Card>
  );
}

const STATES: Record<Operation['status'], StateName> = {
  NotStarted: 'Waiting',
  Running: 'InProgress',
  Succeeded: 'Succeeded',
  Failed: 'Failed',
};

const OPERATIONS: Column<Operation>[] = [
  { head: text.operation, narrow: 'title', cell: (row) => <What operation={row} /> },
  {
    head: text.state,
    narrow: 'state',
    cell: (row) => <StateLabel state={STATES[row.status]} text={text.kinds[row.status]} />,
  },
  {
    head: text.reason,
    narrow: 'line',
    grows: true,
    cell: (row) => row.error && <Foreign atMost={300}>{row.error.message}</Foreign>,
  },
  { head: text.started, isNumber: true, cell: (row) => <Time at={row.createdDateTime} /> },
  {
    head: text.lastAction,
    narrow: 'fact',
    isNumber: true,
    cell: (row) => <Time at={row.lastActionDateTime} />,
  },
];

/** What an operation is about; an export has a page of its own. */
function What({ operation }: { operation: Operation }) {
  const instance = useInstance();
  const { operationId, export: file } = operation;
  const id = <code>{visible(operationId.slice(0, SHOWN_OF_ID))}</code>;
  if (!file) return <Two first={text.readFromHub} second={id} />;
  return (
    <Two
      first={
        <Link to="/$instance/exports/$operation" params={{ instance, operation: operationId }}>
          {text.exported(file.deviceCount, file.format)}
        </Link>
      }
      second={id}
    />
  );
}

function DeviceOperations({ instance }: { instance: string }) {
  const operations = useQuery({ ...deviceOperationsQuery(instance), ...live });
  return (
    <Card title={text.running} isFlush>
      <Loaded reading={operations} height={120}>
        {(rows) =>
          rows.length === 0 ? (
            <Empty icon={<OperationsIcon />} title={text.noOperations} isSmall />
          ) : (
            <Table
              label={text.running}
              columns={OPERATIONS}
              rows={rows}
              keyOf={(row) => row.operationId}
            />
          )
        }
      </Loaded>
    </Card>
  );
}
