/** What became of updates on a device, the newest first. */

import { useQuery } from '@tanstack/react-query';
import { Link } from '@tanstack/react-router';
import type { Schemas } from '../../api/client';
import { historyQuery } from '../../api/devices';
import { live } from '../../app/live';
import { useInstance } from '../../app/me';
import { Card, Empty, Loaded } from '../../design/card';
import { AuditIcon } from '../../design/icons';
import { StateIcon } from '../../design/state';
import { Foreign, Time, UpdateName } from '../../design/text';
import { duration } from '../../text/format';
import css from './device.module.css';
import { text } from './text';

type Installation = Schemas['Installation'];

export function History({ device, module }: { device: string; module?: string }) {
  const instance = useInstance();
  const history = useQuery({ ...historyQuery(instance, device, module), ...live });
  return (
    <Card title={text.history}>
      <Loaded reading={history} height={160}>
        {(page) =>
          page.value.length === 0 ? (
            <Empty icon={<AuditIcon />} title={text.noHistory} isSmall />
          ) : (
            <ol className={css.times}>
              {page.value.map((each) => (
                <Event key={`${each.startedDateTime}${each.deploymentId}`} of={each} />
              ))}
            </ol>
          )
        }
      </Loaded>
    </Card>
  );
}

function Event({ of }: { of: Installation }) {
  const instance = useInstance();
  const { startedDateTime: start, endedDateTime: end } = of;
  const took = start && end ? (Date.parse(end) - Date.parse(start)) / 1000 : null;
  return (
    <li className={css.event}>
      <span className="soft">
        <Time at={end ?? start} />
      </span>
      <StateIcon state={of.state} />
      <div className="anywhere">
        <UpdateName of={of.update} /> {text.states[of.state]}
        <small className="soft">
          {of.failure && (
            <>
              <code>{of.failure.code}</code> <Foreign>{of.failure.message}</Foreign>{' '}
            </>
          )}
          {took !== null &&
            took >= 0 &&
            of.state === 'Succeeded' &&
            `${text.took(duration(took))}, `}
          {of.retryCount > 0 && `${text.tries(of.retryCount + 1)}, `}
          {of.deploymentId && of.groupId ? (
            <Link
              to="/$instance/groups/$group/deployments/$deployment"
              params={{ instance, group: of.groupId, deployment: of.deploymentId }}
            >
              {text.inDeployment} {of.deploymentId.slice(0, 12)}
            </Link>
          ) : (
            text.withoutDeployment
          )}
        </small>
      </div>
    </li>
  );
}
