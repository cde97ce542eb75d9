/** What stands ordered for a device alone, and how to take it back. */

import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query';
import { Link } from '@tanstack/react-router';
import type { ReactNode } from 'react';
import type { Device } from '../../api/client';
import {
  type DeviceOrder,
  EVERYTHING,
  forgetOwn,
  type OwnDeployment,
  order,
  ordersQuery,
} from '../../api/orders';
import { live } from '../../app/live';
import { useInstance } from '../../app/me';
import { ActionButton } from '../../design/actions';
import { announce } from '../../design/announce';
import { Card, Problem } from '../../design/card';
import { StateIcon } from '../../design/state';
import { Foreign, Time, UpdateName } from '../../design/text';
import css from './device.module.css';
import { orders as text } from './text';

const ICONS = { Cancel: 'Canceled', Exclude: 'Paused', Retry: 'InProgress' } as const;

export function Orders({ device }: { device: Device }) {
  const instance = useInstance();
  const queries = useQueryClient();
  const standing = useQuery({ ...ordersQuery(instance, device), ...live });
  const takeBack = useMutation({
    mutationFn: async (of: DeviceOrder | OwnDeployment) => {
      if ('kind' in of) await order(instance, device, 'include', of.deploymentId ?? EVERYTHING);
      else await forgetOwn(instance, device, of.deploymentId);
    },
    onSuccess: () => {
      announce(text.tookBack);
      queries.invalidateQueries({ queryKey: [instance, 'devices'] });
    },
  });
  const { orders, deployments } = standing.data ?? { orders: [], deployments: [] };
  if (orders.length + deployments.length === 0) return null;
  return (
    <Card title={text.title}>
      {takeBack.isError && <Problem error={takeBack.error} />}
      <ul className={css.orders}>
        {deployments.map((each) => (
          <Row
            key={each.deploymentId}
            icon={<StateIcon state="Waiting" />}
            action={
              <ActionButton
                action="management/write"
                isBusy={takeBack.isPending}
                onClick={() => takeBack.mutate(each)}
              >
                {text.forget}
              </ActionButton>
            }
          >
            {text.own} <UpdateName of={each.update} />
            <small className="soft">
              <Time at={each.startDateTime} />
            </small>
          </Row>
        ))}
        {orders.map((each) => (
          <Row
            key={`${each.kind}${each.orderedDateTime}`}
            icon={<StateIcon state={ICONS[each.kind]} />}
            action={
              each.kind === 'Exclude' && (
                <ActionButton
                  action="management/write"
                  isBusy={takeBack.isPending}
                  onClick={() => takeBack.mutate(each)}
                >
                  {text.include}
                </ActionButton>
              )
            }
          >
            {text.kinds[each.kind]} <Of order={each} group={device.groupId} />
            <small className="soft anywhere">
              <Time at={each.orderedDateTime} />
              {each.reason && (
                <>
                  {', '}
                  <Foreign atMost={300}>{each.reason}</Foreign>
                </>
              )}
            </small>
          </Row>
        ))}
      </ul>
    </Card>
  );
}

function Row({
  icon,
  action,
  children,
}: {
  icon: ReactNode;
  action: ReactNode;
  children: ReactNode;
}) {
  return (
    <li className={css.order}>
      {icon}
      <span>{children}</span>
      {action}
    </li>
  );
}

function Of({ order: { deploymentId }, group }: { order: DeviceOrder; group: string }) {
  const instance = useInstance();
  if (deploymentId === EVERYTHING) return text.ofEverything;
  if (!deploymentId) return text.ofGone;
  return (
    <Link
      to="/$instance/groups/$group/deployments/$deployment"
      params={{ instance, group, deployment: deploymentId }}
    >
      {text.ofDeployment(deploymentId.slice(0, 12))}
    </Link>
  );
}
