/** One device: why it does not have the update that is best for it, its facts, its past. */

import { useQuery } from '@tanstack/react-query';
import { getRouteApi, Link } from '@tanstack/react-router';
import type { Device, UpdateInfo } from '../../api/client';
import { deviceQuery, healthQuery } from '../../api/devices';
import { classesQuery, className } from '../../api/queries';
import { FOLLOWED_MS, LIVE_MS } from '../../app/live';
import { useInstance } from '../../app/me';
import { Card, Loaded, Skeleton } from '../../design/card';
import { Page } from '../../design/page';
import { StateLabel } from '../../design/state';
import { Facts, Foreign, Time, UpdateName } from '../../design/text';
import { visible } from '../../text/format';
import { words } from '../../text/words';
import { deviceState } from '../devices/DeviceTable';
import { parseUpdate } from '../new-deployment/draft';
import { Actions } from './Actions';
import css from './device.module.css';
import { History } from './History';
import { Orders } from './Orders';
import { text } from './text';
import { Why } from './Why';

const route = getRouteApi('/$instance/devices/$device');

export function DevicePage() {
  const instance = useInstance();
  const { device: id } = route.useParams();
  const { module, update } = route.useSearch();
  const navigate = route.useNavigate();
  const device = useQuery({ ...deviceQuery(instance, id, module), ...oftenWhileBusy });
  const classes = useQuery(classesQuery(instance));
  const crumbs = [
    { text: text.devices, link: { to: '/$instance/devices', params: { instance } } as const },
  ];
  if (!device.data) {
    return (
      <Page title={id} heading={<bdi>{visible(id)}</bdi>} crumbs={crumbs}>
        <Loaded reading={{ ...device, data: undefined }} height={300}>
          {() => <Skeleton />}
        </Loaded>
      </Page>
    );
  }
  const it = device.data;
  const deviceClass = classes.data?.find((each) => each.deviceClassId === it.deviceClassId);
  const best = deviceClass?.bestCompatibleUpdate ?? null;
  return (
    <Page
      title={id}
      heading={<bdi>{visible(id)}</bdi>}
      state={<StateLabel state={deviceState(it)} />}
      crumbs={[
        ...crumbs,
        {
          text: it.groupId,
          link: {
            to: '/$instance/groups/$group',
            params: { instance, group: it.groupId },
          } as const,
        },
      ]}
      actions={<Actions device={it} best={best?.updateId ?? null} />}
    >
      <div className={css.columns}>
        <div className={css.column}>
          <Why
            device={it}
            asked={parseUpdate(update) ?? (it.onLatestUpdate ? null : (best?.updateId ?? null))}
            isAsked={update !== undefined}
            onAsk={(value) => navigate({ search: (old) => ({ ...old, update: value }) })}
          />
          <Orders device={it} />
          <History device={id} module={module} />
        </div>
        <div className={css.column}>
          <Card title={text.facts}>
            <DeviceFacts
              device={it}
              best={best}
              nameOfClass={className(deviceClass, it.deviceClassId)}
            />
            <LastTry device={it} />
            <Health id={id} />
          </Card>
        </div>
      </div>
    </Page>
  );
}

/** The feed of changes tells of groups, not of every step of a device. */
const oftenWhileBusy = {
  refetchInterval: (query: { state: { data?: Device } }) =>
    query.state.data?.deploymentStatus === 'InProgress' ? FOLLOWED_MS : LIVE_MS,
};

function DeviceFacts({
  device,
  best,
  nameOfClass,
}: {
  device: Device;
  best: UpdateInfo | null;
  nameOfClass: string;
}) {
  const instance = useInstance();
  const linked = (update: UpdateInfo | null | undefined) =>
    update ? (
      <Link
        to="/$instance/updates/$provider/$name/$version"
        params={{ instance, ...update.updateId }}
      >
        <UpdateName of={update} />
      </Link>
    ) : (
      <span className="soft">{text.none}</span>
    );
  return (
    <Facts
      facts={[
        [text.installedUpdate, linked(device.installedUpdate)],
        [text.best, linked(best)],
        [
          text.group,
          <Link
            key="group"
            to="/$instance/groups/$group"
            params={{ instance, group: device.groupId }}
          >
            <bdi>{visible(device.groupId)}</bdi>
          </Link>,
        ],
        [
          text.class,
          <Link
            key="class"
            to="/$instance/devices"
            params={{ instance }}
            search={{ class: device.deviceClassId }}
          >
            <bdi>{visible(nameOfClass)}</bdi>
          </Link>,
        ],
        ...(device.moduleId
          ? [[text.module, <bdi key="module">{device.moduleId}</bdi>] as [string, React.ReactNode]]
          : []),
        [
          text.connection,
          device.isConnected === null || device.isConnected === undefined
            ? words.notKnown
            : device.isConnected
              ? text.connected
              : text.disconnected,
        ],
        [text.report, <Time key="report" at={device.lastContactDateTime} />],
      ]}
    />
  );
}

function LastTry({ device }: { device: Device }) {
  const result = device.lastInstallResult;
  if (!result) return null;
  return (
    <div className={css.part}>
      <h3>{text.lastTry}</h3>
      <Facts
        facts={[
          [text.result, <code key="result">{result.resultCode}</code>],
          ...(result.extendedResultCode
            ? [
                [
                  text.extended,
                  <code key="extended">
                    {(result.extendedResultCode >>> 0).toString(16).toUpperCase()}
                  </code>,
                ] as [string, React.ReactNode],
              ]
            : []),
          ...(result.resultDetails
            ? [
                [text.details, <Foreign key="details">{result.resultDetails}</Foreign>] as [
                  string,
                  React.ReactNode,
                ],
              ]
            : []),
        ]}
      />
    </div>
  );
}

function Health({ id }: { id: string }) {
  const instance = useInstance();
  const health = useQuery(healthQuery(instance, id));
  const it = health.data?.[0];
  if (!it) return null;
  return (
    <div className={css.part}>
      <h3>{text.health}</h3>
      <ul className={css.checks}>
        {it.healthChecks.map((check) => (
          <li key={check.name}>
            <StateLabel
              state={check.result === 'success' ? 'Succeeded' : 'Failed'}
              text={check.name}
            />
          </li>
        ))}
      </ul>
    </div>
  );
}
