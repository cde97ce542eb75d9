/** The service itself: what it depends on, its queues, keys and scanners. */

import { useQuery } from '@tanstack/react-query';
import { body, client, type Schemas, V } from '../../api/client';
import { type Queue, queuesQuery } from '../../api/poison';
import { polled } from '../../app/live';
import { useInstance } from '../../app/me';
import { Card, Loaded } from '../../design/card';
import { StateLabel, type StateName } from '../../design/state';
import { type Column, Table } from '../../design/table';
import { Facts, Time } from '../../design/text';
import { count, duration, visible } from '../../text/format';
import css from './operations.module.css';
import { service as text } from './text';

const I = '/deviceUpdate/{instanceId}';

const STATES: Record<Schemas['ServiceHealth']['status'], StateName> = {
  Healthy: 'Succeeded',
  Degraded: 'Stuck',
  Unhealthy: 'Failed',
};

export function Health() {
  const instanceId = useInstance();
  const health = useQuery({
    queryKey: [instanceId, 'health'],
    queryFn: ({ signal }) =>
      body(
        client.GET(`${I}/operations/health`, {
          params: { path: { instanceId }, query: V },
          signal,
        }),
      ),
    ...polled,
  });
  return (
    <Card
      title={text.health}
      span={6}
      side={
        health.data && (
          <StateLabel state={STATES[health.data.status]} text={text.states[health.data.status]} />
        )
      }
    >
      <Loaded reading={health} height={160}>
        {(it) => (
          <Facts
            facts={[
              ...it.dependencies.map(
                (each) =>
                  [
                    visible(each.name),
                    <StateLabel
                      key={each.name}
                      state={each.isHealthy ? 'Succeeded' : each.isNeeded ? 'Failed' : 'Stuck'}
                      text={
                        each.isHealthy
                          ? text.milliseconds(each.milliseconds)
                          : visible(each.error ?? text.away)
                      }
                    />,
                  ] as [string, React.ReactNode],
              ),
              [
                text.lag,
                it.eventLagSeconds === null || it.eventLagSeconds === undefined
                  ? text.unknown
                  : duration(it.eventLagSeconds),
              ],
              [text.version, visible(it.version)],
            ]}
          />
        )}
      </Loaded>
    </Card>
  );
}

export function Queues() {
  const instanceId = useInstance();
  const queues = useQuery({ ...queuesQuery(instanceId), ...polled });
  const columns: Column<Queue>[] = [
    {
      head: text.queue,
      narrow: 'title',
      grows: true,
      cell: (row) => <code>{visible(row.queue)}</code>,
    },
    { head: text.messages, narrow: 'fact', isNumber: true, cell: (row) => count(row.messageCount) },
    {
      head: text.oldest,
      narrow: 'fact',
      isNumber: true,
      cell: (row) => (row.messageCount ? duration(row.oldestMessageSeconds) : ''),
    },
    {
      head: text.poison,
      narrow: 'fact',
      isNumber: true,
      cell: (row) => (row.poisonMessageCount ? <b>{count(row.poisonMessageCount)}</b> : count(0)),
    },
  ];
  return (
    <Card title={text.queues} span={6} isFlush>
      <Loaded reading={queues} height={160}>
        {(rows) => {
          const busy = rows.filter((row) => row.messageCount || row.poisonMessageCount);
          if (busy.length === 0) {
            return (
              <div className={css.calm}>
                <StateLabel state="Succeeded" text={text.allEmpty(rows.length)} />
              </div>
            );
          }
          return (
            <Table label={text.queues} columns={columns} rows={busy} keyOf={(row) => row.queue} />
          );
        }}
      </Loaded>
    </Card>
  );
}

export function KeysAndScanners() {
  const instanceId = useInstance();
  const path = { instanceId };
  const keys = useQuery({
    queryKey: [instanceId, 'keys'],
    queryFn: ({ signal }) =>
      body(client.GET(`${I}/management/keys`, { params: { path, query: V }, signal })),
  });
  const scanners = useQuery({
    queryKey: [instanceId, 'scanners'],
    queryFn: ({ signal }) =>
      body(client.GET(`${I}/management/scanners`, { params: { path, query: V }, signal })),
  });
  return (
    <>
      <Card title={text.keys} span={6}>
        <Loaded reading={keys} height={120}>
          {(it) => (
            <Facts
              facts={[
                ...it.value.map(
                  (key) =>
                    [
                      visible(key.keyId),
                      <StateLabel
                        key={key.keyId}
                        state={
                          key.isDisabled ? 'Canceled' : key.isCurrent ? 'Succeeded' : 'Waiting'
                        }
                        text={
                          key.isDisabled ? text.disabled : key.isCurrent ? text.signs : text.known
                        }
                      />,
                    ] as [string, React.ReactNode],
                ),
                [text.changed, <Time key="c" at={it.changedDateTime} />],
              ]}
            />
          )}
        </Loaded>
      </Card>
      <Card title={text.scanners} span={6}>
        <Loaded reading={scanners} height={120}>
          {(it) => (
            <Facts
              facts={[
                ...it.value.map(
                  (each) =>
                    [
                      visible(each.engine),
                      visible(
                        [each.engineVersion, each.rulesVersion?.slice(0, 12)]
                          .filter(Boolean)
                          .join(', ') || text.unknown,
                      ),
                    ] as [string, React.ReactNode],
                ),
                [
                  text.rescan,
                  it.lastRescanDateTime ? <Time key="r" at={it.lastRescanDateTime} /> : text.never,
                ],
              ]}
            />
          )}
        </Loaded>
      </Card>
    </>
  );
}
