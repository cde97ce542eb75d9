/** What will happen, beside the form: who is asked, who is not and why, the plan, the button. */

import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query';
import { useNavigate } from '@tanstack/react-router';
import { type ReactNode, useMemo } from 'react';
import { body, client, V } from '../../api/client';
import { classesQuery, className, subgroupsQuery } from '../../api/queries';
import { planQuery } from '../../api/rollouts';
import { useInstance } from '../../app/me';
import { ActionButton } from '../../design/actions';
import { announce } from '../../design/announce';
import { Card, Problem } from '../../design/card';
import { DeploymentsIcon } from '../../design/icons';
import { useSettled } from '../../design/settled';
import { StateIcon } from '../../design/state';
import { Facts, UpdateName } from '../../design/text';
import { count, dateTime, visible } from '../../text/format';
import { words } from '../../text/words';
import { type Draft, misfit, parseUpdate, requestOf, updateKey } from './draft';
import css from './new-deployment.module.css';
import { PlanView } from './PlanView';
import { phaseError } from './rollout';
import { plan as planText, text } from './text';
import { useUpdates } from './updates';

const DEPLOYMENT =
  '/deviceUpdate/{instanceId}/management/groups/{groupId}/deployments/{deploymentId}';

export function Summary({ draft, clear }: { draft: Draft; clear: () => void }) {
  const instance = useInstance();
  const updates = useUpdates();
  const classes = useQuery(classesQuery(instance));
  const subgroups = useQuery({
    ...subgroupsQuery(instance, draft.group ?? ''),
    enabled: Boolean(draft.group),
  });
  const update = updates.sorted.find((each) => updateKey(each.updateId) === draft.update);
  const rows = (subgroups.data ?? []).map((subgroup) => {
    const known = classes.data?.find((each) => each.deviceClassId === subgroup.deviceClassId);
    return { subgroup, known, wrong: update && known ? misfit(update, known) : null };
  });
  const asked = rows
    .filter((row) => !row.wrong)
    .reduce((sum, row) => sum + row.subgroup.deviceCount, 0);
  const others = rows
    .filter((row) => row.wrong)
    .reduce((sum, row) => sum + row.subgroup.deviceCount, 0);
  const settled = useSettled(JSON.stringify(draft));
  const planned = useMemo(() => {
    const deployment = requestOf(JSON.parse(settled) as Draft, 'draft', Date.now());
    return deployment;
  }, [settled]);
  const plan = useQuery(planQuery(instance, planned));
  const isReady = Boolean(update && draft.group && subgroups.data);
  const whyNot =
    !update || !draft.group
      ? text.whyNot
      : isReady && asked === 0
        ? text.noFit
        : draft.rollout && phaseError(draft.rollout.phases)
          ? phaseError(draft.rollout.phases)?.message
          : settled !== JSON.stringify(draft) || plan.isFetching
            ? planText.planning
            : draft.rollback && !parseUpdate(draft.rollback.update)
              ? text.noRollback
              : undefined;
  return (
    <aside className={css.summary} aria-label={text.summary}>
      <Card title={text.summary}>
        {!isReady || !update ? (
          <p className="soft">{text.pickFirst}</p>
        ) : (
          <>
            <p className={css.big}>{words.devices(asked)}</p>
            <p>
              {text.willBeAsked} <UpdateName of={update.updateId} />
            </p>
            <ul className={css.classes}>
              {rows.map(({ subgroup, known, wrong }) => (
                <li key={subgroup.deviceClassId}>
                  <StateIcon state={wrong ? 'Canceled' : 'Succeeded'} />
                  <span>
                    <bdi>{visible(className(known, subgroup.deviceClassId))}</bdi>{' '}
                    <span className="soft">{count(subgroup.deviceCount)}</span>
                    {wrong && (
                      <small className="soft anywhere">
                        {text.misfit}:{' '}
                        {wrong.has === null
                          ? text.missing(wrong.property)
                          : text.needs(wrong.property, visible(wrong.wants), visible(wrong.has))}
                      </small>
                    )}
                  </span>
                </li>
              ))}
            </ul>
            {plan.isError && <Problem error={plan.error} onRetry={() => plan.refetch()} />}
            {plan.data ? (
              <PlanView plan={plan.data} />
            ) : plan.isFetching ? (
              <p className="soft">{planText.planning}</p>
            ) : null}
            <Facts
              facts={[
                [
                  text.starts,
                  draft.startAt && Date.parse(draft.startAt) > Date.now()
                    ? dateTime(new Date(draft.startAt).toISOString())
                    : text.atOnce,
                ],
                ...(others > 0
                  ? [[text.misfit, `${count(others)} ${text.notAsked}`] as [string, ReactNode]]
                  : []),
              ]}
            />
          </>
        )}
        <Create draft={draft} whyNot={whyNot} clear={clear} />
      </Card>
    </aside>
  );
}

function Create({ draft, whyNot, clear }: { draft: Draft; whyNot?: string; clear: () => void }) {
  const instanceId = useInstance();
  const navigate = useNavigate();
  const queries = useQueryClient();
  const create = useMutation({
    mutationFn: async () => {
      const request = requestOf(draft, crypto.randomUUID(), Date.now())!;
      const { groupId, deploymentId } = request;
      await body(
        client.PUT(DEPLOYMENT, {
          params: { path: { instanceId, groupId, deploymentId }, query: V },
          body: request,
        }),
      );
      return request;
    },
    onSuccess: ({ groupId, deploymentId }) => {
      clear();
      announce(text.created);
      queries.invalidateQueries({ queryKey: [instanceId] });
      navigate({
        to: '/$instance/groups/$group/deployments/$deployment',
        params: { instance: instanceId, group: groupId, deployment: deploymentId },
      });
    },
  });
  return (
    <div className={css.create}>
      {create.isError && <Problem error={create.error} />}
      <ActionButton
        action="management/write"
        icon={<DeploymentsIcon />}
        isMain
        isBusy={create.isPending}
        whyNot={whyNot}
        onClick={() => create.mutate()}
      >
        {text.create}
      </ActionButton>
    </div>
  );
}
