/** The service itself: what it depends on, its queues, what failed for good, keys and scanners. */

import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query';
import { useState } from 'react';
import { body, client, type Schemas, V } from '../../api/client';
import { polled } from '../../app/live';
import { useInstance } from '../../app/me';
import { ActionButton } from '../../design/actions';
import { announce } from '../../design/announce';
import { Card, Loaded } from '../../design/card';
import { Confirm } from '../../design/confirm';
import { DeleteIcon, RetryIcon } from '../../design/icons';
import { StateLabel, type StateName } from '../../design/state';
import { type Column, Table } from '../../design/table';
import { Facts, Foreign, Time } from '../../design/text';
import { count, duration, visible } from '../../text/format';
import css from './operations.module.css';
import { service as text } from './text';

const I = '/deviceUpdate/{instanceId}';
type Queue = Schemas['QueueState'];
type Poison = Schemas['PoisonMessage'];

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
  const queues = useQuery({
    queryKey: [instanceId, 'queues'],
    queryFn: ({ signal }) =>
      body(
        client.GET(`${I}/operations/queues`, {
          params: { path: { instanceId }, query: V },
          signal,
        }),
      ).then((list) => list.value),
    ...polled,
  });
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
      narrow: 'state',
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

export function PoisonMessages() {
  const instanceId = useInstance();
  const queries = useQueryClient();
  const [chosen, setChosen] = useState<Set<string>>(new Set());
  const [question, setQuestion] = useState<'replay' | 'discard' | null>(null);
  const poison = useQuery({
    queryKey: [instanceId, 'poison'],
    queryFn: ({ signal }) =>
      body(
        client.GET(`${I}/operations/poison`, {
          params: { path: { instanceId }, query: V },
          signal,
        }),
      ).then((list) => list.value),
    ...polled,
  });
  const act = useMutation({
    mutationFn: async (what: 'replay' | 'discard') => {
      for (const row of (poison.data ?? []).filter((each) => chosen.has(keyOf(each)))) {
        const params = { path: { instanceId, queue: row.queue, messageId: row.id }, query: V };
        if (what === 'replay') {
          await client.POST(`${I}/operations/poison/{queue}/{messageId}:replay`, { params });
        } else await client.DELETE(`${I}/operations/poison/{queue}/{messageId}`, { params });
      }
      return what;
    },
    onSuccess: (what) => {
      setQuestion(null);
      setChosen(new Set());
      announce(what === 'replay' ? text.replayed : text.discarded);
    },
    onSettled: () => queries.invalidateQueries({ queryKey: [instanceId] }),
  });
  if (!poison.data?.length && !poison.isError) return null;
  const whyNot = chosen.size === 0 ? text.chooseFirst : undefined;
  const ask = (what: 'replay' | 'discard') => () => {
    act.reset();
    setQuestion(what);
  };
  return (
    <Card
      title={text.poisonTitle}
      isFlush
      side={
        <span className={css.tools}>
          <ActionButton
            action="operations/write"
            icon={<RetryIcon />}
            whyNot={whyNot}
            onClick={ask('replay')}
          >
            {text.replay}
          </ActionButton>
          <ActionButton
            action="operations/write"
            icon={<DeleteIcon />}
            whyNot={whyNot}
            onClick={ask('discard')}
          >
            {text.discard}
          </ActionButton>
        </span>
      }
    >
      {question && (
        <Confirm
          title={text[`${question}Title`](chosen.size)}
          verb={text[question]}
          isBusy={act.isPending}
          error={act.error}
          onConfirm={() => act.mutate(question)}
          onClose={() => setQuestion(null)}
        >
          <p>{text[`${question}Text`]}</p>
        </Confirm>
      )}
      <Loaded reading={poison} height={120}>
        {(rows) => (
          <Table
            label={text.poisonTitle}
            columns={POISON}
            rows={rows}
            keyOf={keyOf}
            choice={{ chosen, onChange: setChosen, nameOf: (key) => key }}
          />
        )}
      </Loaded>
    </Card>
  );
}

const keyOf = (row: Poison): string => `${row.queue}/${row.id}`;

const POISON: Column<Poison>[] = [
  { head: text.work, narrow: 'title', cell: (row) => visible(row.work) },
  {
    head: text.why,
    narrow: 'line',
    grows: true,
    cell: (row) => <Foreign atMost={300}>{row.reason ?? row.cause}</Foreign>,
  },
  { head: text.queue, cell: (row) => <code>{visible(row.queue)}</code> },
  {
    head: text.since,
    narrow: 'fact',
    isNumber: true,
    cell: (row) => <Time at={row.putDateTime} />,
  },
];

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
