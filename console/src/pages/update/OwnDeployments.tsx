/** The devices that were given this update by a deployment of their own, whatever their group. */

import { useQuery } from '@tanstack/react-query';
import { Link } from '@tanstack/react-router';
import { useState } from 'react';
import { nextToken, type Update } from '../../api/client';
import { type OwnDeploymentOf, ownDeploymentsQuery } from '../../api/orders';
import { live } from '../../app/live';
import { useInstance, useMay } from '../../app/me';
import { Card, Loaded } from '../../design/card';
import { StateLabel } from '../../design/state';
import { type Column, Pager, Table } from '../../design/table';
import { Time, Two } from '../../design/text';
import { visible } from '../../text/format';
import { words } from '../../text/words';
import { own as text } from './text';

export function OwnDeployments({ update }: { update: Update }) {
  const instance = useInstance();
  const may = useMay('management/read');
  const [tokens, setTokens] = useState<string[]>([]);
  const page = useQuery({
    ...ownDeploymentsQuery(instance, update.updateId, tokens.at(-1)),
    ...live,
    enabled: may.isAllowed,
  });
  if (!may.isAllowed || (page.data?.value.length === 0 && tokens.length === 0)) return null;
  return (
    <Card title={text.title} isFlush>
      <Loaded reading={page} height={120}>
        {(found) => {
          const next = nextToken(found);
          return (
            <>
              <Table
                label={text.title}
                columns={columnsOf(instance)}
                rows={found.value}
                keyOf={(row) => row.deployment.deploymentId}
              />
              {(next || tokens.length > 0) && (
                <Pager
                  text={text.shown(found.value.length)}
                  hasPrevious={tokens.length > 0}
                  hasNext={Boolean(next)}
                  onPrevious={() => setTokens(tokens.slice(0, -1))}
                  onNext={() => next && setTokens([...tokens, next])}
                />
              )}
            </>
          );
        }}
      </Loaded>
    </Card>
  );
}

function columnsOf(instance: string): Column<OwnDeploymentOf>[] {
  return [
    {
      head: text.device,
      narrow: 'title',
      grows: true,
      cell: (row) => (
        <Two
          first={
            <Link
              to="/$instance/devices/$device"
              params={{ instance, device: row.deviceId }}
              search={{ module: row.moduleId ?? undefined }}
            >
              <bdi>{visible(row.deviceId)}</bdi>
            </Link>
          }
          second={row.moduleId && words.module(row.moduleId)}
        />
      ),
    },
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
}

function State({ of: { isInForce, deviceState } }: { of: OwnDeploymentOf }) {
  if (deviceState) return <StateLabel state={deviceState} />;
  return isInForce ? (
    <StateLabel state="Waiting" text={text.notAsked} />
  ) : (
    <StateLabel state="Canceled" text={text.notInForce} />
  );
}
