/** Who did what, on which, with what result. */

import { useQuery } from '@tanstack/react-query';
import { getRouteApi, Link } from '@tanstack/react-router';
import { body, client, nextToken, type Schemas, V } from '../../api/client';
import { quoted } from '../../api/device-filter';
import { polled } from '../../app/live';
import { useInstance } from '../../app/me';
import { Card, Empty, Loaded } from '../../design/card';
import { Filters, SearchField, Tags } from '../../design/filters';
import { AuditIcon } from '../../design/icons';
import { Page } from '../../design/page';
import { usePaging } from '../../design/paging';
import { StateLabel } from '../../design/state';
import { type Column, Pager, Table } from '../../design/table';
import { Time, Two } from '../../design/text';
import { visible } from '../../text/format';
import { actionText } from './actions';
import { text } from './text';

const route = getRouteApi('/$instance/audit');
const A = '/deviceUpdate/{instanceId}/audit';
const PAGE = 100;
type Entry = Schemas['AuditEntry'];

export function Audit() {
  const instanceId = useInstance();
  const search = route.useSearch();
  const navigate = route.useNavigate();
  const paging = usePaging();
  const { actor, target } = search;
  const filter = [
    ...(actor ? [`actor eq ${quoted(actor)}`] : []),
    ...(target ? [`target eq ${quoted(target)}`] : []),
  ].join(' and ');
  const entries = useQuery({
    queryKey: [instanceId, 'audit', filter, paging.token ?? ''],
    queryFn: ({ signal }) =>
      body(
        client.GET(A, {
          params: {
            path: { instanceId },
            query: { ...V, filter: filter || undefined, token: paging.token },
          },
          signal,
        }),
      ),
    ...polled,
  });
  const set = (change: typeof search) => navigate({ search: (old) => ({ ...old, ...change }) });
  return (
    <Page title={text.title} state={<Chain />}>
      <Filters>
        <SearchField label={text.actor} value={actor} onChange={(value) => set({ actor: value })} />
        <SearchField
          label={text.target}
          value={target}
          onChange={(value) => set({ target: value })}
        />
      </Filters>
      <Tags
        tags={[
          ...(actor
            ? [{ text: `${text.actor}: ${actor}`, onRemove: () => set({ actor: undefined }) }]
            : []),
          ...(target
            ? [{ text: `${text.target}: ${target}`, onRemove: () => set({ target: undefined }) }]
            : []),
        ]}
        onClear={() => set({ actor: undefined, target: undefined })}
      />
      <Card isFlush>
        <Loaded reading={entries} height={360}>
          {(page) => {
            if (page.value.length === 0) {
              return (
                <Empty icon={<AuditIcon />} title={filter ? text.noneMatch : text.none}>
                  {filter ? undefined : text.noneHint}
                </Empty>
              );
            }
            const next = nextToken(page);
            return (
              <>
                <Table
                  label={text.title}
                  columns={columnsOf(instanceId)}
                  rows={page.value}
                  keyOf={(row) => row.id}
                />
                <Pager
                  text={text.shown(page.value.length, paging.depth * PAGE)}
                  hasPrevious={paging.depth > 0}
                  hasNext={Boolean(next)}
                  onPrevious={paging.previous}
                  onNext={() => next && paging.next(next)}
                />
              </>
            );
          }}
        </Loaded>
      </Card>
    </Page>
  );
}

function Chain() {
  const instanceId = useInstance();
  const proof = useQuery({
    queryKey: [instanceId, 'audit', 'proof'],
    queryFn: ({ signal }) =>
      body(client.GET(`${A}:verify`, { params: { path: { instanceId }, query: V }, signal })),
    staleTime: 60_000,
  });
  if (!proof.data) return null;
  const { isIntact, entryCount, firstFinding } = proof.data;
  return (
    <StateLabel
      state={isIntact ? 'Succeeded' : 'Failed'}
      text={isIntact ? text.verified(entryCount) : text.broken(firstFinding?.number ?? 0)}
    />
  );
}

/** Who did it, by name where the token had one. */
export function who(entry: Entry): string {
  if (entry.origin === 'Automatic') return text.service;
  if (entry.origin === 'Drop') return text.drop;
  return entry.actor.name ?? entry.actor.objectId;
}

export const succeeded = (entry: Entry): boolean =>
  entry.result === 'Succeeded' || entry.result === 'success';

function columnsOf(instance: string): Column<Entry>[] {
  const { columns } = text;
  return [
    {
      head: columns.when,
      narrow: 'fact',
      width: '150px',
      cell: (row) => <Time at={row.dateTime} />,
    },
    {
      head: columns.who,
      narrow: 'line',
      cell: (row) => (
        <Two
          first={<bdi>{visible(who(row))}</bdi>}
          second={row.actor.address && visible(row.actor.address)}
        />
      ),
    },
    {
      head: columns.what,
      narrow: 'title',
      cell: (row) => (
        <Link to="/$instance/audit/$entry" params={{ instance, entry: row.id }}>
          {actionText(row.action)}
        </Link>
      ),
    },
    {
      head: columns.target,
      narrow: 'line',
      grows: true,
      cell: (row) => <bdi title={visible(row.target)}>{visible(row.target)}</bdi>,
    },
    {
      head: columns.result,
      narrow: 'state',
      cell: (row) => (
        <StateLabel state={succeeded(row) ? 'Succeeded' : 'Failed'} text={visible(row.result)} />
      ),
    },
  ];
}
