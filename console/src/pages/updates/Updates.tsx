/** All updates, by provider and name, the newest version first. */

import { useQuery } from '@tanstack/react-query';
import { getRouteApi, Link } from '@tanstack/react-router';
import type { Update } from '../../api/client';
import { updatesQuery } from '../../api/queries';
import { live } from '../../app/live';
import { useInstance } from '../../app/me';
import { ButtonLink } from '../../design/actions';
import { Card, Empty, Loaded } from '../../design/card';
import { Choose, Filters, SearchField } from '../../design/filters';
import { CancelIcon, ImportIcon, SignedIcon, SucceededIcon, UpdatesIcon } from '../../design/icons';
import { Page } from '../../design/page';
import { Mark } from '../../design/state';
import { type Column, Table } from '../../design/table';
import { Foreign, Time, Two } from '../../design/text';
import { visible } from '../../text/format';
import { words } from '../../text/words';
import { text } from './text';
import { compareVersions } from './versions';

const route = getRouteApi('/$instance/updates');

export function Updates() {
  const instance = useInstance();
  const { search, show } = route.useSearch();
  const navigate = route.useNavigate();
  const updates = useQuery({
    ...updatesQuery(instance, search, show === 'deployable'),
    ...live,
  });
  return (
    <Page
      title={text.title}
      state={updates.data && <span className="soft">{text.inAll(updates.data.length)}</span>}
      actions={
        <ButtonLink to="/$instance/updates/import" params={{ instance }} isMain>
          <ImportIcon /> {words.actions.importUpdate}
        </ButtonLink>
      }
    >
      <Filters>
        <SearchField
          label={text.search}
          value={search}
          onChange={(value) =>
            navigate({ search: (old) => ({ ...old, search: value }), replace: true })
          }
        />
        <Choose
          label={text.show}
          value={show === 'deployable' ? show : undefined}
          options={text.shows}
          onChange={(value) =>
            navigate({
              search: (old) => ({ ...old, show: value === 'deployable' ? value : undefined }),
            })
          }
        />
      </Filters>
      <Loaded reading={updates} height={300}>
        {(all) =>
          all.length === 0 ? (
            <Card>
              <Empty icon={<UpdatesIcon />} title={search ? text.noneMatch : text.none}>
                {search ? undefined : text.noneHint}
              </Empty>
            </Card>
          ) : (
            grouped(all).map(([name, versions]) => (
              <Card
                key={name}
                title={<bdi>{visible(name)}</bdi>}
                side={text.versions(versions.length)}
                isFlush
              >
                <Table
                  label={name}
                  columns={columnsOf(instance)}
                  rows={versions}
                  keyOf={(row) => row.updateId.version}
                />
              </Card>
            ))
          )
        }
      </Loaded>
    </Page>
  );
}

function grouped(updates: Update[]): [string, Update[]][] {
  const groups = new Map<string, Update[]>();
  for (const update of updates) {
    const name = `${update.updateId.provider} / ${update.updateId.name}`;
    groups.set(name, [...(groups.get(name) ?? []), update]);
  }
  for (const versions of groups.values()) {
    versions.sort((a, b) => compareVersions(b.updateId.version, a.updateId.version));
  }
  return [...groups].sort(([a], [b]) => a.localeCompare(b));
}

export function UpdateState({ update }: { update: Update }) {
  if (update.recall) return <Mark tone="bad" icon={<CancelIcon />} text={text.recalled} />;
  if (update.isDeployable)
    return <Mark tone="ok" icon={<SucceededIcon />} text={text.deployable} />;
  return <Mark tone="wait" icon={<UpdatesIcon />} text={text.part} />;
}

export function ScanMark({ result }: { result: string | null | undefined }) {
  if (result === 'Success') return <Mark tone="ok" icon={<SignedIcon />} text={text.clean} />;
  if (result === 'Malicious')
    return <Mark tone="bad" icon={<CancelIcon />} text={text.malicious} />;
  return <span className="soft">{text.notScanned}</span>;
}

function columnsOf(instance: string): Column<Update>[] {
  return [
    {
      head: text.version,
      narrow: 'title',
      width: '140px',
      cell: (update) => (
        <Link
          to="/$instance/updates/$provider/$name/$version"
          params={{ instance, ...update.updateId }}
        >
          <b>{visible(update.updateId.version)}</b>
        </Link>
      ),
    },
    {
      head: text.state,
      narrow: 'state',
      width: '160px',
      cell: (update) => <UpdateState update={update} />,
    },
    {
      head: text.name,
      narrow: 'line',
      grows: true,
      cell: (update) => (
        <Two
          first={<Foreign atMost={200}>{update.friendlyName ?? update.description ?? ''}</Foreign>}
          second={
            update.friendlyName && update.description ? (
              <Foreign atMost={200}>{update.description}</Foreign>
            ) : null
          }
        />
      ),
    },
    { head: text.scan, width: '120px', cell: (update) => <ScanMark result={update.scanResult} /> },
    {
      head: text.fits,
      width: '220px',
      cell: (update) => (
        <span className="oneline">
          {update.compatibility.map((each) => Object.values(each).join(' ')).join(', ') ||
            text.fitsAnything}
        </span>
      ),
    },
    {
      head: text.imported,
      narrow: 'fact',
      isNumber: true,
      width: '130px',
      cell: (update) => <Time at={update.importedDateTime} />,
    },
  ];
}
