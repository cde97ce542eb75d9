/** What can be ordered for one device: deploy, retry, cancel, exclude; each is asked for first. */

import { Checkbox, Field, Select, Textarea } from '@fluentui/react-components';
import { useMutation, useQueryClient } from '@tanstack/react-query';
import { Link } from '@tanstack/react-router';
import { useState } from 'react';
import type { Device, UpdateId } from '../../api/client';
import { deployTo, EVERYTHING, order, ordersQuery } from '../../api/orders';
import { useInstance } from '../../app/me';
import { ActionButton, ButtonLink } from '../../design/actions';
import { announce } from '../../design/announce';
import { Confirm } from '../../design/confirm';
import { CancelIcon, DeploymentsIcon, LogsIcon, PauseIcon, RetryIcon } from '../../design/icons';
import { updateText } from '../../design/text';
import { visible } from '../../text/format';
import { parseUpdate, updateKey } from '../new-deployment/draft';
import { useUpdates } from '../new-deployment/updates';
import css from './device.module.css';
import { orders as text } from './text';

type Question = 'deploy' | 'retry' | 'cancel' | 'exclude';

export function Actions({ device, best }: { device: Device; best: UpdateId | null }) {
  const instance = useInstance();
  const queries = useQueryClient();
  const [question, setQuestion] = useState<Question | null>(null);
  const [update, setUpdate] = useState(best ? updateKey(best) : '');
  const [reason, setReason] = useState('');
  const [isEverything, setEverything] = useState(false);
  const deployment = device.lastDeploymentId;
  const state = device.deploymentStatus;
  const act = useMutation({
    mutationFn: async (what: Question) => {
      if (what === 'deploy') await deployTo(instance, device, parseUpdate(update)!);
      else {
        const from = what === 'exclude' && (isEverything || !deployment) ? EVERYTHING : deployment!;
        const stands = await order(instance, device, what, from, reason);
        queries.setQueryData(ordersQuery(instance, device).queryKey, stands);
      }
      return what;
    },
    onSuccess: (what) => {
      setQuestion(null);
      announce(text.did[what]);
      queries.invalidateQueries({ queryKey: [instance, 'devices'] });
    },
  });
  const ask = (what: Question) => () => {
    act.reset();
    setReason('');
    setEverything(!deployment);
    if (!update && best) setUpdate(updateKey(best));
    setQuestion(what);
  };
  return (
    <>
      <ActionButton
        action="management/write"
        icon={<DeploymentsIcon />}
        isMain={!device.onLatestUpdate && state !== 'Failed'}
        onClick={ask('deploy')}
      >
        {text.deploy}
      </ActionButton>
      {state === 'Failed' && deployment && (
        <ActionButton action="management/write" icon={<RetryIcon />} isMain onClick={ask('retry')}>
          {text.retry}
        </ActionButton>
      )}
      {state === 'InProgress' && deployment && (
        <ActionButton action="management/write" icon={<CancelIcon />} onClick={ask('cancel')}>
          {text.cancel}
        </ActionButton>
      )}
      <ActionButton action="management/write" icon={<PauseIcon />} onClick={ask('exclude')}>
        {text.exclude}
      </ActionButton>
      <ButtonLink
        to="/$instance/diagnostics"
        params={{ instance }}
        search={{ device: device.deviceId }}
      >
        <LogsIcon /> {text.collect}
      </ButtonLink>
      {question && (
        <Confirm
          title={text.titles[question](visible(device.deviceId))}
          verb={text.verbs[question]}
          isBusy={act.isPending || (question === 'deploy' && !parseUpdate(update))}
          error={act.error}
          onConfirm={() => act.mutate(question)}
          onClose={() => setQuestion(null)}
        >
          <p>{text.texts[question]}</p>
          <div className={css.fields}>
            {question === 'deploy' ? (
              <>
                <ChooseUpdate value={update} onChange={setUpdate} />
                <p className="small">
                  <Link
                    to="/$instance/deployments/new"
                    params={{ instance }}
                    search={{ group: device.groupId, update: update || undefined }}
                  >
                    {text.toGroup}
                  </Link>
                </p>
              </>
            ) : (
              <Field label={text.reason}>
                <Textarea value={reason} onChange={(_, data) => setReason(data.value)} />
              </Field>
            )}
            {question === 'exclude' && deployment && (
              <Checkbox
                label={text.everything}
                checked={isEverything}
                onChange={(_, data) => setEverything(data.checked === true)}
              />
            )}
          </div>
        </Confirm>
      )}
    </>
  );
}

function ChooseUpdate({ value, onChange }: { value: string; onChange: (value: string) => void }) {
  const updates = useUpdates();
  return (
    <Field label={text.update} required>
      <Select value={value} onChange={(_, data) => onChange(data.value)}>
        <option value="">{text.chooseUpdate}</option>
        {updates.sorted.map((each) => (
          <option key={updateKey(each.updateId)} value={updateKey(each.updateId)}>
            {updateText(each.updateId)}
          </option>
        ))}
      </Select>
    </Field>
  );
}
