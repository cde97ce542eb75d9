/** The devices that were given this update by a deployment of their own, whatever their group. */

import { useQuery } from '@tanstack/react-query';
import { nextToken, type Update } from '../../api/client';
import { type OwnDeploymentOf, ownDeploymentsQuery } from '../../api/orders';
import { live } from '../../app/live';
import { useInstance, useMay } from '../../app/me';
import { Card, Loaded } from '../../design/card';
import { DeviceName } from '../../design/device';
import { useLocalPaging } from '../../design/paging';
import { StateLabel } from '../../design/state';
import { type Column, Pager, Table } from '../../design/table';
import { Time } from '../../design/text';
import { own as text } from './text';

export function OwnDeployments({ update }: { update: Update }) {
  const instance = useInstance();
  const may = useMay('management/read');
  const paging = useLocalPaging();
  const page = useQuery({
    ...ownDeploymentsQuery(instance, update.updateId, paging.token),
    ...live,
    enabled: may.isAllowed,
  });
  if (!may.isAllowed || (page.data?.value.length === 0 && paging.depth === 0)) return null;
  return (
    <Card title={text.title} isFlush>
      <Loaded reading={page} height={120}>
        {(found) => {
          const next = nextToken(found);
          return (
            <>
              <Table
                label={text.title}
                columns={COLUMNS}
                rows={found.value}
                keyOf={(row) => row.deployment.deploymentId}
              />
              {(next || paging.depth > 0) && (
                <Pager
                  text={text.shown(found.value.length)}
                  hasPrevious={paging.depth > 0}
                  hasNext={Boolean(next)}
                  onPrevious={paging.previous}
                  onNext={() => next && paging.next(next)}
                />
              )}
            </>
          );
        }}
      </Loaded>
    </Card>
  );
}

const COLUMNS: Column<OwnDeploymentOf>[] = [
  { head: text.device, narrow: 'title', grows: true, cell: (row) => <DeviceName of={row} /> },
  { head: text.state, narrow: 'state', cell: (row) => <State of={row} /> },
  {
    head: text.start,
    narrow: 'fact',
    isNumber: true,
    cell: (row) => <Time at={row.deployment.startDateTime} />,
  },
  {
    head: text.ordered,
    isNumber: true,
    cell: (row) => <Time at={row.deployment.createdDateTime} />,
  },
];

function State({ of: { isInForce, deviceState } }: { of: OwnDeploymentOf }) {
  if (deviceState) return <StateLabel state={deviceState} />;
  return isInForce ? (
    <StateLabel state="Waiting" text={text.notAsked} />
  ) : (
    <StateLabel state="Canceled" text={text.notInForce} />
  );
}
