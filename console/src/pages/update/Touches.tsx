/** What a recall or a deletion of an update would meet: devices, deployments, other updates. */

import { useQuery } from '@tanstack/react-query';
import { nextToken, type Update } from '../../api/client';
import { usageQuery } from '../../api/fleet';
import { ownDeploymentsQuery } from '../../api/orders';
import { useInstance, useMay } from '../../app/me';
import { touches as text } from './text';
import css from './update.module.css';

export function Touches({ update }: { update: Update }) {
  const instance = useInstance();
  const may = useMay('management/read');
  const usage = useQuery(usageQuery(instance, update.updateId));
  const own = useQuery({
    ...ownDeploymentsQuery(instance, update.updateId),
    enabled: may.isAllowed,
  });
  if (usage.isPending || own.isLoading) return <p className="soft">{text.counting}</p>;
  const { deviceCount, deployments, referencedBy } = usage.data ?? {};
  const inForce = own.data?.value.filter((each) => each.isInForce);
  const facts = [
    deployments && text.deployments(deployments.length),
    inForce && text.own(inForce.length, Boolean(own.data && nextToken(own.data))),
    deviceCount !== undefined && text.devices(deviceCount),
    referencedBy?.length && text.parents(referencedBy.length),
  ].filter((each) => typeof each === 'string');
  if (facts.length === 0) return null;
  return (
    <ul className={css.touches} aria-label={text.title}>
      {facts.map((fact) => (
        <li key={fact}>{fact}</li>
      ))}
    </ul>
  );
}
