/** One update: what it is, which devices it fits, its files with what the scanners said. */

import { useQuery } from '@tanstack/react-query';
import { getRouteApi, Link } from '@tanstack/react-router';
import type { Schemas, Update } from '../../api/client';
import { usageQuery } from '../../api/fleet';
import { className, updateQuery } from '../../api/queries';
import { useClasses } from '../../app/classes';
import { useInstance } from '../../app/me';
import { Card, Grid, Loaded, Skeleton } from '../../design/card';
import { WarningIcon } from '../../design/icons';
import { Banner, Page } from '../../design/page';
import { Facts, Foreign, Time, UpdateName, updateText } from '../../design/text';
import { Warnings } from '../../design/warnings';
import { bytes, visible } from '../../text/format';
import { words } from '../../text/words';
import { ScanMark, UpdateState } from '../updates/Updates';
import { Actions } from './Actions';
import { Files } from './Files';
import { OwnDeployments } from './OwnDeployments';
import { text } from './text';
import css from './update.module.css';

const route = getRouteApi('/$instance/updates/$provider/$name/$version');

export function UpdatePage() {
  const instance = useInstance();
  const id = route.useParams();
  const updateId = { provider: id.provider, name: id.name, version: id.version };
  const update = useQuery(updateQuery(instance, updateId));
  const usage = useQuery(usageQuery(instance, updateId));
  const crumbs = [
    { text: text.updates, link: { to: '/$instance/updates', params: { instance } } as const },
    {
      text: `${id.provider} / ${id.name}`,
      link: {
        to: '/$instance/updates',
        params: { instance },
        search: { search: id.name },
      } as const,
    },
  ];
  if (!update.data) {
    return (
      <Page title={updateText(updateId)} crumbs={crumbs}>
        <Loaded reading={{ ...update, data: undefined }} height={300}>
          {() => <Skeleton />}
        </Loaded>
      </Page>
    );
  }
  const it = update.data;
  return (
    <Page
      title={updateText(updateId)}
      heading={<UpdateName of={updateId} />}
      state={<UpdateState update={it} />}
      crumbs={crumbs}
      actions={<Actions update={it} />}
    >
      {it.recall && (
        <Banner tone="bad" icon={<WarningIcon />}>
          <Foreign>{text.recalled(it.recall.reason)}</Foreign>{' '}
          <span className="soft">
            <Time at={it.recall.recalledDateTime} />
          </span>
        </Banner>
      )}
      <Warnings of={it.warnings} />
      <Grid>
        <Files update={it} />
        <Card title={text.facts} span={4}>
          <Facts
            facts={[
              ...(it.friendlyName
                ? [
                    [text.friendly, <Foreign key="f">{it.friendlyName}</Foreign>] as [
                      string,
                      React.ReactNode,
                    ],
                  ]
                : []),
              ...(it.description
                ? [
                    [text.description, <Foreign key="d">{it.description}</Foreign>] as [
                      string,
                      React.ReactNode,
                    ],
                  ]
                : []),
              ...(usage.data
                ? ([
                    [text.installedOn, words.devices(usage.data.deviceCount)],
                    [text.size, bytes(usage.data.sizeInBytes)],
                    [text.deployedTo, <DeployedTo key="g" usage={usage.data} />],
                  ] as [string, React.ReactNode][])
                : []),
              [text.scan, <ScanMark key="s" result={it.scanResult} />],
              [text.imported, <Time key="i" at={it.importedDateTime} />],
              [text.created, <Time key="c" at={it.createdDateTime} />],
              [text.manifest, it.manifestVersion],
              ...(it.referencedBy?.length
                ? [
                    [
                      text.usedBy,
                      it.referencedBy.map((parent) => (
                        <Link
                          key={updateText(parent)}
                          to="/$instance/updates/$provider/$name/$version"
                          params={{ instance, ...parent }}
                        >
                          <UpdateName of={parent} />
                        </Link>
                      )),
                    ] as [string, React.ReactNode],
                  ]
                : []),
            ]}
          />
        </Card>
        <Compatibility update={it} />
        <Steps update={it} />
        <OwnDeployments update={it} />
      </Grid>
    </Page>
  );
}

const SHOWN_DEPLOYMENTS = 6;

function DeployedTo({ usage }: { usage: Schemas['UpdateUsage'] }) {
  const instance = useInstance();
  const { deployments } = usage;
  if (deployments.length === 0) return <span className="soft">{text.nobody}</span>;
  return (
    <ul className={css.links}>
      {deployments.slice(0, SHOWN_DEPLOYMENTS).map((each) => (
        <li key={each.groupId + each.deploymentId}>
          <Link
            to="/$instance/groups/$group/deployments/$deployment"
            params={{ instance, group: each.groupId, deployment: each.deploymentId }}
          >
            <bdi>{visible(each.groupId)}</bdi>
          </Link>
        </li>
      ))}
    </ul>
  );
}

function Compatibility({ update }: { update: Update }) {
  const instance = useInstance();
  const classes = useClasses();
  const fitting = (classes.data ?? []).filter((each) =>
    update.compatibility.some((wanted) =>
      Object.entries(wanted).every(
        ([name, value]) =>
          each.deviceClassProperties.compatProperties[name]?.toLowerCase() === value.toLowerCase(),
      ),
    ),
  );
  return (
    <Card title={text.compatibility} span={6}>
      {update.compatibility.length === 0 ? (
        <p className="soft">{text.anyDevice}</p>
      ) : (
        <>
          <h3>{text.fits}</h3>
          <ul className={css.sets}>
            {update.compatibility.map((wanted) => (
              <li key={JSON.stringify(wanted)}>
                {Object.entries(wanted).map(([name, value]) => (
                  <span key={name} className={css.pair}>
                    <span className="soft">{visible(name)}</span> <bdi>{visible(value)}</bdi>
                  </span>
                ))}
              </li>
            ))}
          </ul>
          {classes.data && <h3>{text.classes}</h3>}
          {classes.data && fitting.length === 0 && <p className="soft">{text.noClass}</p>}
          <ul className={css.sets}>
            {fitting.map((each) => (
              <li key={each.deviceClassId}>
                <Link
                  to="/$instance/devices"
                  params={{ instance }}
                  search={{ class: each.deviceClassId }}
                >
                  <bdi>{visible(className(each, each.deviceClassId))}</bdi>
                </Link>
              </li>
            ))}
          </ul>
        </>
      )}
    </Card>
  );
}

interface Step {
  type?: string;
  handler?: string;
  description?: string;
  files?: unknown[];
  handlerProperties?: Record<string, unknown>;
  updateId?: { provider: string; name: string; version: string };
}

function Steps({ update }: { update: Update }) {
  const steps = update.instructions.steps as Step[];
  return (
    <Card title={text.steps} span={6}>
      <ol className={css.steps}>
        {steps.map((step, index) => (
          // biome-ignore lint/suspicious/noArrayIndexKey: steps are known by their place
          <li key={index}>
            <span className={css.place}>{index + 1}</span>
            <div className="anywhere">
              <b>{visible(step.handler ?? text.refers)}</b>{' '}
              {step.updateId && <UpdateName of={step.updateId} />}
              {step.description && <Foreign>{step.description}</Foreign>}
              <small className="soft">
                {Object.entries(step.handlerProperties ?? {}).map(([name, value]) => (
                  <span key={name} className={css.pair}>
                    {visible(name)} <bdi>{visible(String(value))}</bdi>
                  </span>
                ))}
              </small>
            </div>
          </li>
        ))}
      </ol>
    </Card>
  );
}
