/** How fast a roll-out goes, and what has happened to it, the newest first. */

import { useQuery } from '@tanstack/react-query';
import type { Deployment } from '../../api/client';
import { ENDED, type RolloutState, type Transition, transitionsQuery } from '../../api/rollouts';
import { followed } from '../../app/live';
import { useInstance } from '../../app/me';
import { Card, Loaded } from '../../design/card';
import { Facts, Foreign, Time } from '../../design/text';
import { count, exact, timeOfDay, visible } from '../../text/format';
import css from './rollout.module.css';
import { text } from './rollout-text';

const SHOWN = 12;

export function Happened({ deployment, state }: { deployment: Deployment; state: RolloutState }) {
  const instance = useInstance();
  const { groupId, deploymentId } = deployment;
  const transitions = useQuery({
    ...transitionsQuery(instance, groupId, deploymentId),
    ...followed,
  });
  const isOver = ENDED.includes(state.status);
  const cap = deployment.rollout?.maximumInFlight;
  return (
    <Card title={text.pace} span={4}>
      <Facts
        facts={[
          [
            text.inFlight,
            <span key="f">
              <b>{count(state.inFlight)}</b>{' '}
              {cap && <small className="soft">{text.cap(cap)}</small>}
            </span>,
          ],
          ...(isOver || state.failureBudget.left === null || state.failureBudget.left === undefined
            ? []
            : [
                [text.budgetLeft, <b key="b">{count(state.failureBudget.left)}</b>] as [
                  string,
                  React.ReactNode,
                ],
              ]),
          ...(state.estimatedEnd
            ? [[text.end, <Time key="e" at={state.estimatedEnd} />] as [string, React.ReactNode]]
            : []),
          [text.since, <Time key="s" at={state.since} />],
        ]}
      />
      <h3 className={css.happened}>{text.happened}</h3>
      <Loaded reading={transitions} height={100}>
        {(rows) =>
          rows.length === 0 ? (
            <p className="soft">{text.nothing}</p>
          ) : (
            <ol className={css.events}>
              {[...rows]
                .sort((a, b) => b.at.localeCompare(a.at))
                .slice(0, SHOWN)
                .map((row) => (
                  <Row key={row.at + row.step} of={row} />
                ))}
            </ol>
          )
        }
      </Loaded>
    </Card>
  );
}

function Row({ of }: { of: Transition }) {
  const said = text.ofPhase[of.step]?.((of.phase ?? 0) + 1) ?? text.steps[of.step] ?? of.step;
  return (
    <li className={css.event}>
      <small className="soft" title={exact(of.at)}>
        {timeOfDay(of.at)}
      </small>
      <span>
        {said}
        <small className="soft anywhere">
          {of.message ? (
            <Foreign atMost={400}>{of.message}</Foreign>
          ) : (
            <bdi>{visible(of.actor)}</bdi>
          )}
        </small>
      </span>
    </li>
  );
}
