/** Steering a roll-out: pause, resume, go on, abort, approve, reject; each asked for first. */

import { Checkbox, Field, Textarea } from '@fluentui/react-components';
import { useMutation, useQueryClient } from '@tanstack/react-query';
import { useState } from 'react';
import type { Deployment } from '../../api/client';
import { type Control, type RolloutState, steer } from '../../api/rollouts';
import { useInstance } from '../../app/me';
import { ActionButton } from '../../design/actions';
import { announce } from '../../design/announce';
import { Confirm } from '../../design/confirm';
import { CancelIcon, PauseIcon, ResumeIcon, SucceededIcon } from '../../design/icons';
import css from './rollout.module.css';
import { text } from './rollout-text';

type Kind = Control['kind'];
const MOVING = ['Running', 'Baking', 'AwaitingAdvance', 'Scheduled'];
const OVER = ['Aborted', 'RolledBack', 'Ended', 'Rejected'];

export function Controls({ deployment, state }: { deployment: Deployment; state: RolloutState }) {
  const instance = useInstance();
  const queries = useQueryClient();
  const [kind, setKind] = useState<Kind | null>(null);
  const [reason, setReason] = useState('');
  const [isThorough, setThorough] = useState(false);
  const act = useMutation({
    mutationFn: (what: Kind) => steer(instance, deployment, controlOf(what)),
    onSuccess: (_, what) => {
      setKind(null);
      announce(text.did[what]);
      queries.invalidateQueries({ queryKey: [instance] });
    },
  });
  const next = (state.phase ?? 0) + 1;
  const hasNext = next < state.phases.length;

  function controlOf(what: Kind): Control {
    const revision = deployment.revision ?? 1;
    if (what === 'pause') return { kind: what, reason, withdraw: isThorough };
    if (what === 'abort') return { kind: what, reason, rollback: isThorough };
    if (what === 'resume') return { kind: what, revision: deployment.revision ?? null };
    if (what === 'advance') return { kind: what, phase: next };
    return { kind: what, revision, remark: reason };
  }

  const ask = (what: Kind) => () => {
    act.reset();
    setReason('');
    setThorough(false);
    setKind(what);
  };
  const hasReason = kind && kind !== 'resume' && kind !== 'advance';
  return (
    <>
      {state.status === 'AwaitingApproval' && (
        <>
          <ActionButton
            action="management/approve"
            icon={<SucceededIcon />}
            isMain
            onClick={ask('approve')}
          >
            {text.approve}
          </ActionButton>
          <ActionButton action="management/approve" icon={<CancelIcon />} onClick={ask('reject')}>
            {text.reject}
          </ActionButton>
        </>
      )}
      {state.status === 'Paused' && (
        <ActionButton
          action="management/write"
          icon={<ResumeIcon />}
          isMain
          onClick={ask('resume')}
        >
          {text.resume}
        </ActionButton>
      )}
      {(state.status === 'AwaitingAdvance' ||
        state.status === 'Baking' ||
        state.status === 'Running') &&
        hasNext && (
          <ActionButton
            action="management/write"
            icon={<ResumeIcon />}
            isMain={state.status === 'AwaitingAdvance'}
            onClick={ask('advance')}
          >
            {text.advance(next + 1)}
          </ActionButton>
        )}
      {MOVING.includes(state.status) && (
        <ActionButton action="management/write" icon={<PauseIcon />} onClick={ask('pause')}>
          {text.pause}
        </ActionButton>
      )}
      {!OVER.includes(state.status) && (
        <ActionButton action="management/write" icon={<CancelIcon />} onClick={ask('abort')}>
          {text.abort}
        </ActionButton>
      )}
      {kind && (
        <Confirm
          title={text.titles[kind]}
          verb={kind === 'advance' ? text.advance(next + 1) : text[kind]}
          typed={kind === 'abort' ? deployment.groupId : undefined}
          isBusy={act.isPending}
          error={act.error}
          onConfirm={() => act.mutate(kind)}
          onClose={() => setKind(null)}
        >
          <p>{text.texts[kind](state.inFlight)}</p>
          <div className={css.fields}>
            {hasReason && (
              <Field label={kind === 'approve' || kind === 'reject' ? text.remark : text.reason}>
                <Textarea value={reason} onChange={(_, data) => setReason(data.value)} />
              </Field>
            )}
            {(kind === 'pause' || (kind === 'abort' && deployment.rollbackPolicy)) && (
              <Checkbox
                label={kind === 'pause' ? text.withdraw : text.rollback}
                checked={isThorough}
                onChange={(_, data) => setThorough(data.checked === true)}
              />
            )}
          </div>
        </Confirm>
      )}
    </>
  );
}
