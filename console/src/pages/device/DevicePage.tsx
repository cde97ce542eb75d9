/** One device: why it does not have the update that is best for it, its facts, its past. */

import { useQuery } from '@tanstack/react-query';
import { getRouteApi } from '@tanstack/react-router';
import type { Device } from '../../api/client';
import { deviceQuery } from '../../api/devices';
import { classesQuery, className } from '../../api/queries';
import { FOLLOWED_MS, LIVE_MS } from '../../app/live';
import { useInstance } from '../../app/me';
import { Card, Loaded, Skeleton } from '../../design/card';
import { Page } from '../../design/page';
import { StateLabel } from '../../design/state';
import { visible } from '../../text/format';
import { deviceState } from '../devices/DeviceTable';
import { parseUpdate } from '../new-deployment/draft';
import { Actions } from './Actions';
import { DeviceFacts, Health, LastTry, Reported } from './DeviceFacts';
import css from './device.module.css';
import { History } from './History';
import { Orders } from './Orders';
import { text } from './text';
import { Why } from './Why';
import { Workflow } from './Workflow';

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
          <Workflow device={it} />
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
          <Reported device={it} />
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
