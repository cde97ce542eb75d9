/** The deployments that run now; where none does, those that were made last. */

import { useQuery } from '@tanstack/react-query';
import { Link } from '@tanstack/react-router';
import { standingsQuery } from '../../api/deployments';
import { live } from '../../app/live';
import { useInstance } from '../../app/me';
import { Card, Empty, Loaded } from '../../design/card';
import { DeploymentsIcon } from '../../design/icons';
import { DeploymentTable } from '../deployments/DeploymentTable';
import { text } from './text';

const LATELY = 3;

export function LiveDeployments() {
  const instance = useInstance();
  const standings = useQuery({ ...standingsQuery(instance), ...live });
  return (
    <Card
      title={text.live}
      isFlush
      side={
        <Link to="/$instance/deployments" params={{ instance }}>
          {text.allDeployments}
        </Link>
      }
    >
      <Loaded reading={standings} height={140}>
        {(all) => {
          const running = all.filter((each) => each.kind === 'running');
          if (running.length > 0) return <DeploymentTable label={text.live} standings={running} />;
          return (
            <>
              <Empty
                icon={<DeploymentsIcon />}
                title={all.length > 0 ? text.noneLive : text.noneYet}
                isSmall
              />
              {all.length > 0 && (
                <DeploymentTable label={text.lately} standings={all.slice(0, LATELY)} />
              )}
            </>
          );
        }}
      </Loaded>
    </Card>
  );
}
