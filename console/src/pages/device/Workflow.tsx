/** What a device works on, while it does. */

import { useQuery } from '@tanstack/react-query';
import { Link } from '@tanstack/react-router';
import type { ReactNode } from 'react';
import type { DeviceDetails } from '../../api/client';
import { ordersQuery } from '../../api/orders';
import { useInstance } from '../../app/me';
import { Card } from '../../design/card';
import { StateLabel } from '../../design/state';
import { Facts, Time, UpdateName } from '../../design/text';
import { visible } from '../../text/format';
import { workflow as text } from './text';

export function Workflow({ device }: { device: DeviceDetails }) {
  const instance = useInstance();
  const { workflow: it } = device;
  const orders = useQuery({ ...ordersQuery(instance, device), enabled: Boolean(it) });
  if (!it) return null;
  const isOwn = orders.data?.deployments.some((each) => each.deploymentId === it.deploymentId);
  const facts: [string, ReactNode][] = [
    [
      text.update,
      <Link
        key="update"
        to="/$instance/updates/$provider/$name/$version"
        params={{ instance, ...it.update.updateId }}
      >
        <UpdateName of={it.update} />
      </Link>,
    ],
    [
      text.deployment,
      isOwn ? (
        text.own
      ) : (
        <Link
          key="deployment"
          to="/$instance/groups/$group/deployments/$deployment"
          params={{ instance, group: device.groupId, deployment: it.deploymentId }}
        >
          {visible(it.deploymentId)}
        </Link>
      ),
    ],
    [text.since, <Time key="since" at={it.sinceDateTime} />],
    [text.attempt, text.attempts(it.retryCount + 1)],
  ];
  if (it.phase) facts.push([text.phase, text.phaseOf(it.phase)]);
  facts.push([text.id, <code key="id">{visible(it.id)}</code>]);
  return (
    <Card
      title={text.title}
      side={
        <StateLabel
          state={it.isCancel ? 'Canceled' : 'InProgress'}
          text={it.isCancel ? text.stopping : text.working}
        />
      }
    >
      <Facts facts={facts} />
    </Card>
  );
}
