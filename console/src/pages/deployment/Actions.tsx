/** What can be done with a deployment, each after a question that names the numbers. */

import { useMutation, useQueryClient } from '@tanstack/react-query';
import { useNavigate } from '@tanstack/react-router';
import { useState } from 'react';
import { body, client, type Deployment, V } from '../../api/client';
import type { Counts, Standing } from '../../api/deployments';
import { useInstance } from '../../app/me';
import { ActionButton, ButtonLink } from '../../design/actions';
import { announce } from '../../design/announce';
import { Confirm } from '../../design/confirm';
import { CancelIcon, DeleteIcon, DeploymentsIcon, RetryIcon } from '../../design/icons';
import { text } from './text';

const CLASS =
  '/deviceUpdate/{instanceId}/management/groups/{groupId}/deviceClassSubgroups/{deviceClassId}/deployments/{deploymentId}';
type Question = 'cancel' | 'retry' | 'delete' | null;

export function Actions({
  deployment,
  counts,
  kind,
}: {
  deployment: Deployment;
  counts: Counts;
  kind: Standing['kind'];
}) {
  const instanceId = useInstance();
  const navigate = useNavigate();
  const queries = useQueryClient();
  const [question, setQuestion] = useState<Question>(null);
  const { groupId, deploymentId } = deployment;
  const path = { instanceId, groupId, deploymentId };
  const classes = deployment.deviceClassSubgroups ?? [];
  const act = useMutation({
    mutationFn: async (what: Exclude<Question, null>) => {
      if (what === 'delete') {
        const DEPLOYMENT =
          '/deviceUpdate/{instanceId}/management/groups/{groupId}/deployments/{deploymentId}';
        await client.DELETE(DEPLOYMENT, { params: { path, query: V } });
        return what;
      }
      for (const deviceClassId of classes) {
        const params = { path: { ...path, deviceClassId }, query: V };
        await body(
          what === 'cancel'
            ? client.POST(`${CLASS}:cancel`, { params })
            : client.POST(`${CLASS}:retry`, { params }),
        );
      }
      return what;
    },
    onSuccess: (what) => {
      setQuestion(null);
      announce({ cancel: text.didCancel, retry: text.didRetry, delete: text.didDelete }[what]);
      if (what === 'delete') {
        queries.removeQueries({
          queryKey: [instanceId, 'groups', groupId, 'deployments', deploymentId],
        });
        navigate({ to: '/$instance/deployments', params: { instance: instanceId } });
      }
      queries.invalidateQueries({ queryKey: [instanceId] });
    },
  });
  const ask = (what: Question) => () => {
    act.reset();
    setQuestion(what);
  };
  const isActive = kind !== 'finished' && !deployment.isCanceled;
  return (
    <>
      {kind === 'finished' && !deployment.isCanceled && counts.failed === 0 && (
        <ButtonLink
          to="/$instance/deployments/new"
          params={{ instance: instanceId }}
          search={{ update: Object.values(deployment.update.updateId).join('/') }}
          isMain
        >
          <DeploymentsIcon /> {text.next}
        </ButtonLink>
      )}
      <ActionButton
        action="management/write"
        icon={<RetryIcon />}
        isMain={counts.failed > 0 && !deployment.isCanceled && !deployment.rollout}
        whyNot={
          deployment.isCanceled
            ? text.whyNoCancel
            : counts.failed === 0
              ? text.whyNoRetry
              : undefined
        }
        onClick={ask('retry')}
      >
        {text.retry}
      </ActionButton>
      {!deployment.rollout && (
        <ActionButton
          action="management/write"
          icon={<CancelIcon />}
          whyNot={deployment.isCanceled ? text.whyNoCancel : undefined}
          onClick={ask('cancel')}
        >
          {text.cancel}
        </ActionButton>
      )}
      <ActionButton
        action="management/delete"
        icon={<DeleteIcon />}
        whyNot={isActive ? text.whyNoDelete : undefined}
        onClick={ask('delete')}
      >
        {text.delete}
      </ActionButton>
      {question && (
        <Confirm
          title={
            { cancel: text.cancelTitle, retry: text.retryTitle, delete: text.deleteTitle }[question]
          }
          verb={{ cancel: text.cancel, retry: text.retry, delete: text.delete }[question]}
          isBusy={act.isPending}
          error={act.error}
          onConfirm={() => act.mutate(question)}
          onClose={() => setQuestion(null)}
        >
          <p>
            {
              {
                cancel: text.cancelText(counts.inProgress),
                retry: text.retryText(counts.failed),
                delete: text.deleteText,
              }[question]
            }
          </p>
        </Confirm>
      )}
    </>
  );
}
