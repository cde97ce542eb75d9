/** What can be done with the devices that were chosen on a page: one order for each, four at a time. */

import { Field, Textarea } from '@fluentui/react-components';
import { useMutation, useQueryClient } from '@tanstack/react-query';
import { useNavigate } from '@tanstack/react-router';
import { useState } from 'react';
import type { Device } from '../../api/client';
import { EVERYTHING, order } from '../../api/orders';
import { useInstance } from '../../app/me';
import { ActionButton } from '../../design/actions';
import { announce } from '../../design/announce';
import { Meter } from '../../design/bars';
import { sentence } from '../../design/card';
import { Confirm } from '../../design/confirm';
import { LogsIcon, PauseIcon, RetryIcon } from '../../design/icons';
import { Foreign } from '../../design/text';
import css from './devices.module.css';
import { bulk, text } from './text';

type What = 'retry' | 'exclude';
const AT_A_TIME = 4;

export const keyOf = ({ deviceId, moduleId }: Device): string =>
  moduleId ? `${deviceId}/${moduleId}` : deviceId;

interface Refusal {
  device: string;
  why: string;
}

export function Bulk({ chosen, onDone }: { chosen: Device[]; onDone: () => void }) {
  const instance = useInstance();
  const go = useNavigate();
  const queries = useQueryClient();
  const [what, setWhat] = useState<What | null>(null);
  const [reason, setReason] = useState('');
  const [done, setDone] = useState(0);
  const [refused, setRefused] = useState<Refusal[]>([]);
  const failed = chosen.filter((each) => each.deploymentStatus === 'Failed');
  const concerned = what === 'retry' ? failed : chosen;
  const act = useMutation({
    mutationFn: async (kind: What) => {
      const refusals: Refusal[] = [];
      let next = 0;
      const lane = async () => {
        for (let device = concerned[next++]; device; device = concerned[next++]) {
          const from = kind === 'exclude' ? EVERYTHING : (device.lastDeploymentId ?? '');
          try {
            await order(instance, device, kind, from, reason);
          } catch (error) {
            refusals.push({ device: keyOf(device), why: sentence(error) });
          }
          setDone((before) => before + 1);
        }
      };
      await Promise.all(Array.from({ length: AT_A_TIME }, lane));
      return refusals;
    },
    onSuccess: (refusals) => {
      queries.invalidateQueries({ queryKey: [instance, 'devices'] });
      announce(bulk.did(concerned.length - refusals.length));
      setRefused(refusals);
      if (refusals.length === 0) {
        setWhat(null);
        onDone();
      }
    },
  });
  const ask = (kind: What) => () => {
    act.reset();
    setDone(0);
    setRefused([]);
    setReason('');
    setWhat(kind);
  };
  const none = chosen.length === 0 ? text.chooseFirst : undefined;
  return (
    <div className={css.bulk}>
      <ActionButton
        action="management/write"
        icon={<RetryIcon />}
        whyNot={none ?? (failed.length === 0 ? bulk.whyNoRetry : undefined)}
        onClick={ask('retry')}
      >
        {bulk.verbs.retry}
      </ActionButton>
      <ActionButton
        action="management/write"
        icon={<PauseIcon />}
        whyNot={none}
        onClick={ask('exclude')}
      >
        {bulk.verbs.exclude}
      </ActionButton>
      <ActionButton
        action="management/write"
        icon={<LogsIcon />}
        whyNot={none}
        onClick={() =>
          go({
            to: '/$instance/diagnostics',
            params: { instance },
            search: { device: chosen.map(keyOf).join('\n') },
          })
        }
      >
        {text.collect}
      </ActionButton>
      {what && (
        <Confirm
          title={bulk.titles[what](concerned.length)}
          verb={bulk.verbs[what]}
          isBusy={act.isPending || refused.length > 0}
          error={act.error}
          onConfirm={() => act.mutate(what)}
          onClose={() => setWhat(null)}
        >
          <p>{bulk.texts[what]}</p>
          <Field label={bulk.reason}>
            <Textarea value={reason} onChange={(_, data) => setReason(data.value)} />
          </Field>
          {act.isPending && (
            <Meter
              value={done}
              total={concerned.length}
              tone="run"
              label={bulk.progress(done, concerned.length)}
            />
          )}
          {refused.length > 0 && (
            <div role="alert">
              <p className="lead">{bulk.refused(refused.length)}</p>
              <ul className={css.refused}>
                {refused.map((each) => (
                  <li key={each.device} className="small anywhere">
                    <b>
                      <Foreign>{each.device}</Foreign>
                    </b>{' '}
                    <Foreign atMost={300}>{each.why}</Foreign>
                  </li>
                ))}
              </ul>
            </div>
          )}
        </Confirm>
      )}
    </div>
  );
}
