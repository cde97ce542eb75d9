/** One export of devices on its way, and its file. */

import { useMutation, useQuery } from '@tanstack/react-query';
import { getRouteApi, Link } from '@tanstack/react-router';
import type { ReactNode } from 'react';
import type { Operation } from '../../api/client';
import { searchOf } from '../../api/device-filter';
import { exportedFile, exportQuery } from '../../api/exports';
import { isOver } from '../../api/operations';
import { FOLLOWED_MS } from '../../app/live';
import { useInstance } from '../../app/me';
import { ActionButton } from '../../design/actions';
import { Card, Loaded, Problem, Skeleton } from '../../design/card';
import { download } from '../../design/download';
import { DownloadIcon, WarningIcon } from '../../design/icons';
import { Banner, Page } from '../../design/page';
import { StateLabel, type StateName } from '../../design/state';
import { Facts, Foreign, Time } from '../../design/text';
import { count, visible } from '../../text/format';
import { exporting as text } from './text';

const route = getRouteApi('/$instance/exports/$operation');

const STATES: Record<Operation['status'], StateName> = {
  NotStarted: 'Waiting',
  Running: 'InProgress',
  Succeeded: 'Succeeded',
  Failed: 'Failed',
};

export function ExportRun() {
  const instance = useInstance();
  const { operation: id } = route.useParams();
  const operation = useQuery({
    ...exportQuery(instance, id),
    refetchInterval: ({ state }) => (isOver(state.data) ? false : FOLLOWED_MS),
  });
  const fetchIt = useMutation({
    mutationFn: async () => download((await exportedFile(instance, id)).link),
  });
  const crumbs = [
    { text: text.devices, link: { to: '/$instance/devices', params: { instance } } as const },
  ];
  const it = operation.data;
  if (!it) {
    return (
      <Page title={text.run} crumbs={crumbs}>
        <Loaded reading={{ ...operation, data: undefined }} height={200}>
          {() => <Skeleton />}
        </Loaded>
      </Page>
    );
  }
  return (
    <Page
      title={text.run}
      state={<StateLabel state={STATES[it.status]} text={text.states[it.status]} />}
      crumbs={crumbs}
      actions={
        <ActionButton
          action="management/read"
          icon={<DownloadIcon />}
          isMain
          isBusy={fetchIt.isPending}
          whyNot={it.status === 'Succeeded' ? undefined : isOver(it) ? text.noFile : text.notYet}
          onClick={() => fetchIt.mutate()}
        >
          {text.download}
        </ActionButton>
      }
    >
      {it.error && (
        <Banner tone="bad" icon={<WarningIcon />}>
          <b>
            <Foreign>{it.error.message}</Foreign>
          </b>{' '}
          <code className="small">{visible(it.error.innererror?.code ?? it.error.code)}</code>
        </Banner>
      )}
      {fetchIt.isError && <Problem error={fetchIt.error} onRetry={() => fetchIt.mutate()} />}
      <Card>
        <Facts facts={factsOf(it, id)} />
      </Card>
    </Page>
  );
}

function factsOf(it: Operation, id: string): [string, ReactNode][] {
  const { export: of } = it;
  return [
    [text.written, of ? count(of.deviceCount) : ''],
    [text.which, <Which key="which" filter={of?.filter ?? null} />],
    [text.format, of ? text.formats[of.format] : ''],
    [text.started, <Time key="started" at={it.createdDateTime} />],
    [text.last, <Time key="last" at={it.lastActionDateTime} />],
    [text.id, <code key="id">{visible(id)}</code>],
  ];
}

/** The filter as the service has it, leading to the list where that can show it. */
function Which({ filter }: { filter: string | null }) {
  const instance = useInstance();
  if (!filter) return text.allDevices;
  const search = searchOf(filter);
  const shown = <code className="anywhere">{visible(filter)}</code>;
  if (!search) return shown;
  return (
    <Link to="/$instance/devices" params={{ instance }} search={search}>
      {shown}
    </Link>
  );
}
