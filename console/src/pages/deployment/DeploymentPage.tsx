/** One deployment while it runs and after: states, failures, devices. */

import { useQuery } from '@tanstack/react-query';
import { getRouteApi, Link } from '@tanstack/react-router';
import type { Deployment, DeploymentStatus } from '../../api/client';
import { countsOf, kindOf } from '../../api/deployments';
import { classesQuery, className, deploymentQuery, statusQuery } from '../../api/queries';
import { limitOf, type Rollout, type RolloutState } from '../../api/rollouts';
import { followed, useFollowing } from '../../app/live';
import { useInstance } from '../../app/me';
import { Legend, type Part, StackedBar } from '../../design/bars';
import { Card, Grid, Loaded, Skeleton } from '../../design/card';
import { CancelIcon, RetryIcon, WarningIcon } from '../../design/icons';
import { Banner, Page } from '../../design/page';
import { StateLabel } from '../../design/state';
import { Facts, Foreign, Time, UpdateName, updateText } from '../../design/text';
import { Warnings } from '../../design/warnings';
import { count, visible } from '../../text/format';
import { words } from '../../text/words';
import { stateOf } from '../deployments/state';
import { Actions } from './Actions';
import { ClassTable } from './ClassTable';
import { Controls } from './Controls';
import { DeviceStates } from './DeviceStates';
import { Failures } from './Failures';
import { Happened } from './Happened';
import { OverTime } from './OverTime';
import { Phases } from './Phases';
import { text as rolloutText } from './rollout-text';
import { text } from './text';

const route = getRouteApi('/$instance/groups/$group/deployments/$deployment');

export function DeploymentPage() {
  const instance = useInstance();
  const { group, deployment: id } = route.useParams();
  const deployment = useQuery({ ...deploymentQuery(instance, group, id), ...followed });
  const status = useQuery({ ...statusQuery(instance, group, id), ...followed });
  const classes = useQuery(classesQuery(instance));
  useFollowing(isMoving(deployment.data, status.data));
  const nameOfClass = (key: string) =>
    className(
      classes.data?.find((each) => each.deviceClassId === key),
      key,
    );
  const crumbs = [
    {
      text: text.deployments,
      link: { to: '/$instance/deployments', params: { instance } } as const,
    },
    { text: group, link: { to: '/$instance/groups/$group', params: { instance, group } } as const },
  ];
  if (!deployment.data || !status.data) {
    const failed = deployment.isError ? deployment : status;
    return (
      <Page title={id} crumbs={crumbs}>
        <Loaded reading={{ ...failed, data: undefined }} height={300}>
          {() => <Skeleton />}
        </Loaded>
      </Page>
    );
  }
  const it = deployment.data;
  const counts = countsOf(status.data);
  const kind = kindOf(it, status.data, Date.now());
  const rollout = it.rollout?.state ? it.rollout : null;
  const controls = rollout?.state && <Controls deployment={it} state={rollout.state} />;
  const shown = stateOf({ deployment: it, counts, kind });
  const answered = counts.succeeded + counts.inProgress + counts.failed + counts.canceled;
  const parts: Part[] = [
    { tone: 'ok', value: counts.succeeded, label: text.succeeded, link: ofState('Succeeded') },
    { tone: 'run', value: counts.inProgress, label: text.inProgress, link: ofState('InProgress') },
    { tone: 'bad', value: counts.failed, label: text.failed, link: ofState('Failed') },
    { tone: 'stop', value: counts.canceled, label: text.canceled, link: ofState('Canceled') },
    { tone: 'wait', value: Math.max(0, counts.total - answered), label: text.notAsked },
  ];
  const visibleParts = parts.filter((part) => part.value > 0 || part.tone === 'ok');
  return (
    <Page
      title={text.title(updateText(it.update.updateId), group)}
      heading={
        <>
          <UpdateName of={it.update} />{' '}
          <span className="soft">
            {text.to} <bdi>{visible(group)}</bdi>
          </span>
        </>
      }
      state={<StateLabel state={shown.state} text={shown.text} />}
      crumbs={crumbs}
      actions={
        <>
          {kind !== 'finished' && controls}
          <Actions deployment={it} counts={counts} kind={kind} />
          {kind === 'finished' && controls}
        </>
      }
    >
      {it.recallReason && (
        <Banner tone="bad" icon={<WarningIcon />}>
          <Foreign>{text.recalled(it.recallReason)}</Foreign>
        </Banner>
      )}
      {it.isUpdateDeleted && (
        <Banner tone="warn" icon={<WarningIcon />}>
          {text.updateDeleted}
        </Banner>
      )}
      {it.isCloudInitiatedRollback && (
        <Banner tone="warn" icon={<RetryIcon />}>
          {text.isRollback}
        </Banner>
      )}
      {it.isCanceled && !it.recallReason && (
        <Banner tone="warn" icon={<CancelIcon />}>
          {text.canceledBanner}
        </Banner>
      )}
      <Warnings of={it.warnings} />
      {rollout?.state && <RolloutBanner state={rollout.state} />}
      {rollout && <Phases rollout={rollout} />}
      <Grid>
        <Card title={text.states} span={8}>
          <StackedBar parts={visibleParts} total={Math.max(1, counts.total)} label={text.states} />
          <Legend parts={visibleParts} total={counts.total} />
          <ClassTable status={status.data} nameOfClass={nameOfClass} />
        </Card>
        {rollout?.state && <Happened deployment={it} state={rollout.state} />}
        <Card title={text.facts} span={rollout ? 12 : 4}>
          <Facts
            facts={[
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
                text.group,
                <Link key="group" to="/$instance/groups/$group" params={{ instance, group }}>
                  <bdi>{visible(group)}</bdi>
                </Link>,
              ],
              [text.start, <Time key="start" at={it.startDateTime} />],
              [
                text.rollback,
                it.rollbackPolicy ? (
                  <>
                    <UpdateName of={it.rollbackPolicy.update} />{' '}
                    <small className="soft">
                      {text.rollbackWhen(
                        it.rollbackPolicy.failure.devicesFailedPercentage,
                        it.rollbackPolicy.failure.devicesFailedCount,
                      )}
                    </small>
                  </>
                ) : (
                  <span key="none" className="soft">
                    {text.none}
                  </span>
                ),
              ],
              ...(rollout ? paceOf(rollout) : []),
              [text.id, <code key="id">{visible(id)}</code>],
            ]}
          />
        </Card>
        <OverTime group={group} deployment={id} limit={rollout ? limitOf(rollout) : null} />
        <Failures status={status.data} total={counts.failed} group={group} />
        <DeviceStates
          classes={status.data.subgroupStatus.map((each) => each.deviceClassId)}
          nameOfClass={nameOfClass}
        />
      </Grid>
    </Page>
  );

  function ofState(state: 'Succeeded' | 'InProgress' | 'Failed' | 'Canceled'): Part['link'] {
    return (children) => (
      <Link
        to="/$instance/groups/$group/deployments/$deployment"
        params={{ instance, group, deployment: id }}
        search={(old: object) => ({ ...old, state })}
        resetScroll={false}
      >
        {children}
      </Link>
    );
  }
}

/** What orders and slows a roll-out, as far as it was asked for. */
function paceOf({ priority, maximumInFlight, rate }: Rollout): [string, string][] {
  return [
    ...(priority === undefined ? [] : [[text.priority, count(priority)] as [string, string]]),
    ...(maximumInFlight
      ? [[text.atATime, words.devices(maximumInFlight)] as [string, string]]
      : []),
    ...(rate ? [[text.atMost, text.perMinute(count(rate.perMinute))] as [string, string]] : []),
  ];
}

function isMoving(deployment?: Deployment, status?: DeploymentStatus): boolean {
  return Boolean(deployment && status) && kindOf(deployment!, status!, Date.now()) !== 'finished';
}

const HOLDING = ['Paused', 'AwaitingApproval', 'AwaitingAdvance'];

/** What must happen before the roll-out goes on. */
function RolloutBanner({ state }: { state: RolloutState }) {
  if (!HOLDING.includes(state.status) && !state.reason) return null;
  return (
    <Banner tone="warn" icon={<WarningIcon />}>
      <b>{rolloutText.statuses[state.status]}</b>{' '}
      {state.reason && <Foreign>{state.reason.message}</Foreign>}
    </Banner>
  );
}
