/** Deploy, recall, delete: what can be done with an update. */

import { Field, Textarea } from '@fluentui/react-components';
import { useMutation, useQueryClient } from '@tanstack/react-query';
import { useNavigate } from '@tanstack/react-router';
import { useState } from 'react';
import { client, type Update, V } from '../../api/client';
import { useInstance } from '../../app/me';
import { ActionButton } from '../../design/actions';
import { announce } from '../../design/announce';
import { Confirm } from '../../design/confirm';
import { CancelIcon, DeleteIcon, DeploymentsIcon } from '../../design/icons';
import { MakeDelta } from './MakeDelta';
import { Touches } from './Touches';
import { text } from './text';

const ONE =
  '/deviceUpdate/{instanceId}/updates/providers/{provider}/names/{name}/versions/{version}';

export function Actions({ update }: { update: Update }) {
  const instanceId = useInstance();
  const navigate = useNavigate();
  const queries = useQueryClient();
  const [question, setQuestion] = useState<'recall' | 'delete' | null>(null);
  const [reason, setReason] = useState('');
  const path = { instanceId, ...update.updateId };
  const version = update.updateId.version;
  const act = useMutation({
    mutationFn: async (what: 'recall' | 'delete') => {
      if (what === 'recall') {
        await client.POST(`${ONE}:recall`, { params: { path, query: V }, body: { reason } });
      } else {
        await client.DELETE(ONE, { params: { path, query: V } });
      }
      return what;
    },
    onSuccess: (what) => {
      setQuestion(null);
      announce(what === 'recall' ? text.recallDone : text.deleteDone);
      if (what === 'delete')
        navigate({ to: '/$instance/updates', params: { instance: instanceId } });
      queries.invalidateQueries({ queryKey: [instanceId] });
    },
  });
  const ask = (what: 'recall' | 'delete') => () => {
    act.reset();
    setQuestion(what);
  };
  return (
    <>
      <ActionButton
        action="management/write"
        icon={<DeploymentsIcon />}
        isMain
        whyNot={update.isDeployable ? undefined : text.whyNotDeploy}
        onClick={() =>
          navigate({
            to: '/$instance/deployments/new',
            params: { instance: instanceId },
            search: { update: Object.values(update.updateId).join('/') },
          })
        }
      >
        {text.deploy}
      </ActionButton>
      <MakeDelta update={update} />
      <ActionButton
        action="updates/write"
        icon={<CancelIcon />}
        whyNot={update.recall ? text.whyNotRecall : undefined}
        onClick={ask('recall')}
      >
        {text.recall}
      </ActionButton>
      <ActionButton action="updates/delete" icon={<DeleteIcon />} onClick={ask('delete')}>
        {text.delete}
      </ActionButton>
      {question && (
        <Confirm
          title={question === 'recall' ? text.recallTitle : text.deleteTitle}
          verb={question === 'recall' ? text.recall : text.delete}
          typed={question === 'recall' ? version : undefined}
          isBusy={act.isPending || (question === 'recall' && !reason.trim())}
          error={act.error}
          onConfirm={() => act.mutate(question)}
          onClose={() => setQuestion(null)}
        >
          <p>{question === 'recall' ? text.recallText : text.deleteText}</p>
          <Touches update={update} />
          {question === 'recall' && (
            <Field label={text.reason} required>
              <Textarea value={reason} onChange={(_, data) => setReason(data.value)} />
            </Field>
          )}
        </Confirm>
      )}
    </>
  );
}
