/** Deployments as rows: update and group, state, progress, devices. */

import { Link } from '@tanstack/react-router';
import type { Standing } from '../../api/deployments';
import { limitOf } from '../../api/rollouts';
import { useInstance } from '../../app/me';
import { StackedBar } from '../../design/bars';
import { StateLabel } from '../../design/state';
import { type Column, Table } from '../../design/table';
import { Time, Two, UpdateName } from '../../design/text';
import { count, percent, visible } from '../../text/format';
import css from './deployments.module.css';
import { PhaseTrack } from './PhaseTrack';
import { stateOf } from './state';
import { text } from './text';
import { WaitsFor } from './WaitsFor';

export function DeploymentTable({ label, standings }: { label: string; standings: Standing[] }) {
  const instance = useInstance();
  const columns: Column<Standing>[] = [
    {
      head: text.update,
      narrow: 'title',
      cell: ({ deployment }) => (
        <Two
          first={
            <Link
              to="/$instance/groups/$group/deployments/$deployment"
              params={{
                instance,
                group: deployment.groupId,
                deployment: deployment.deploymentId,
              }}
            >
              <UpdateName of={deployment.update} />
            </Link>
          }
          second={
            <>
              to <bdi>{visible(deployment.groupId)}</bdi>
            </>
          }
        />
      ),
    },
    {
      head: text.state,
      narrow: 'state',
      cell: (standing) => {
        const { state, text: name } = stateOf(standing);
        return <StateLabel state={state} text={name} />;
      },
    },
    {
      head: text.progress,
      narrow: 'line',
      width: '32%',
      cell: (standing) => <Progress of={standing} />,
    },
    {
      head: text.devices,
      narrow: 'fact',
      isNumber: true,
      cell: ({ counts }) => (
        <Two first={<b>{count(counts.succeeded)}</b>} second={`of ${count(counts.total)}`} />
      ),
    },
    {
      head: text.failed,
      narrow: 'fact',
      isNumber: true,
      cell: ({ counts, deployment }) => {
        const limit = deployment.rollout ? limitOf(deployment.rollout) : null;
        if (counts.failed === 0 && limit === null) return <span className="soft">0</span>;
        const share = percent(counts.failed, counts.succeeded + counts.failed);
        return (
          <Two
            first={count(counts.failed)}
            second={limit === null ? share : text.ofAllowed(share, limit)}
          />
        );
      },
    },
    {
      head: text.started,
      isNumber: true,
      cell: ({ deployment, kind }) => {
        const end = kind === 'running' ? deployment.rollout?.state?.estimatedEnd : null;
        return (
          <Two
            first={<Time at={deployment.startDateTime} />}
            second={
              end && (
                <>
                  {text.ends} <Time at={end} />
                </>
              )
            }
          />
        );
      },
    },
  ];
  return (
    <Table
      label={label}
      columns={columns}
      rows={standings}
      keyOf={({ deployment }) => `${deployment.groupId}/${deployment.deploymentId}`}
    />
  );
}

/** The phases of a roll-out, else its devices by state. */
function Progress({ of: { deployment, counts } }: { of: Standing }) {
  const { rollout } = deployment;
  if (rollout?.state && rollout.state.phases.length > 1) {
    return <PhaseTrack rollout={rollout} total={counts.total} />;
  }
  const waitsFor = rollout?.state?.waitsFor;
  return (
    <div className={css.withText}>
      <StackedBar
        label={text.progress}
        size="small"
        total={Math.max(1, counts.total)}
        parts={[
          { tone: 'ok', value: counts.succeeded, label: text.succeeded },
          { tone: 'run', value: counts.inProgress, label: text.inProgress },
          { tone: 'bad', value: counts.failed, label: text.failed },
          { tone: 'stop', value: counts.canceled, label: text.canceled },
        ]}
      />
      {waitsFor && (
        <small className="soft">
          {text.thePhase} <WaitsFor words={waitsFor} />
        </small>
      )}
    </div>
  );
}
