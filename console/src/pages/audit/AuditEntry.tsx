/** One entry of the audit log: what was there before and after, side by side. */

import { useQuery } from '@tanstack/react-query';
import { getRouteApi } from '@tanstack/react-router';
import { body, client, V } from '../../api/client';
import { useInstance } from '../../app/me';
import { Card, Grid, Loaded, Skeleton } from '../../design/card';
import { Page } from '../../design/page';
import { StateLabel } from '../../design/state';
import { Facts, Foreign, Time } from '../../design/text';
import { visible } from '../../text/format';
import { succeeded, who } from './Audit';
import { actionText } from './actions';
import css from './audit.module.css';
import { text } from './text';

const route = getRouteApi('/$instance/audit/$entry');

export function AuditEntry() {
  const instanceId = useInstance();
  const { entry: entryId } = route.useParams();
  const entry = useQuery({
    queryKey: [instanceId, 'audit', 'one', entryId],
    queryFn: ({ signal }) =>
      body(
        client.GET('/deviceUpdate/{instanceId}/audit/{entryId}', {
          params: { path: { instanceId, entryId }, query: V },
          signal,
        }),
      ),
    staleTime: Number.POSITIVE_INFINITY,
  });
  const crumbs = [
    {
      text: text.title,
      link: { to: '/$instance/audit', params: { instance: instanceId } } as const,
    },
  ];
  const it = entry.data;
  if (!it) {
    return (
      <Page title={entryId} crumbs={crumbs}>
        <Loaded reading={{ ...entry, data: undefined }} height={240}>
          {() => <Skeleton />}
        </Loaded>
      </Page>
    );
  }
  return (
    <Page
      title={actionText(it.action)}
      state={
        <StateLabel state={succeeded(it) ? 'Succeeded' : 'Failed'} text={visible(it.result)} />
      }
      crumbs={crumbs}
    >
      <Grid>
        <Card title={text.entry(it.number)} span={6}>
          <Facts
            facts={[
              [text.actor, <bdi key="w">{visible(who(it))}</bdi>],
              [text.roles, it.actor.roles.join(', ') || text.nothing],
              [text.target, <Foreign key="t">{it.target}</Foreign>],
              [text.begun, <Time key="b" at={it.begunDateTime} />],
              [text.ended, <Time key="e" at={it.dateTime} />],
              ...(it.message
                ? [
                    [text.message, <Foreign key="m">{it.message}</Foreign>] as [
                      string,
                      React.ReactNode,
                    ],
                  ]
                : []),
              [text.address, visible(it.actor.address ?? text.nothing)],
              [text.client, visible(it.actor.client ?? text.nothing)],
              [text.requestId, <code key="r">{visible(it.requestId)}</code>],
              [text.hash, <code key="h">{it.hash.slice(0, 16)}…</code>],
            ]}
          />
        </Card>
        <Document title={text.request} of={it.request} />
        <Document title={text.before} of={it.before} />
        <Document title={text.after} of={it.after} />
      </Grid>
    </Page>
  );
}

function Document({ title, of }: { title: string; of: unknown }) {
  return (
    <Card title={title} span={6}>
      {of === null || of === undefined ? (
        <p className="soft">{text.nothing}</p>
      ) : (
        // biome-ignore lint/a11y/noNoninteractiveTabindex: it scrolls, so it must take the focus
        <pre className={css.json} tabIndex={0}>
          <Foreign atMost={8000}>{JSON.stringify(of, null, 2)}</Foreign>
        </pre>
      )}
    </Card>
  );
}
