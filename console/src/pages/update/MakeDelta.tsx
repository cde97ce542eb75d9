/** Have a delta made, so that devices with an older version download less. */

import { Field, Select } from '@fluentui/react-components';
import { useMutation, useQuery } from '@tanstack/react-query';
import { useNavigate } from '@tanstack/react-router';
import { useState } from 'react';
import type { Update } from '../../api/client';
import { makeDelta, sourcesOf } from '../../api/deltas';
import { updatesQuery } from '../../api/queries';
import { useInstance } from '../../app/me';
import { ActionButton } from '../../design/actions';
import { Confirm } from '../../design/confirm';
import { DeltaIcon } from '../../design/icons';
import { visible } from '../../text/format';
import { compareVersions } from '../updates/versions';
import { delta as text } from './text';

export function MakeDelta({ update }: { update: Update }) {
  const instance = useInstance();
  const navigate = useNavigate();
  const updates = useQuery(updatesQuery(instance));
  const [isAsking, setAsking] = useState(false);
  const [chosen, setChosen] = useState('');
  const sources = sourcesOf(update, updates.data ?? []).sort((a, b) => compareVersions(b, a));
  const source = chosen || sources[0] || '';
  const make = useMutation({
    mutationFn: () => makeDelta(instance, update.updateId, source),
    onSuccess: (operation) =>
      navigate({ to: '/$instance/imports/$operation', params: { instance, operation } }),
  });
  return (
    <>
      <ActionButton
        action="updates/write"
        icon={<DeltaIcon />}
        whyNot={
          update.recall ? text.recalled : sources.length === 0 ? text.noOtherVersion : undefined
        }
        onClick={() => {
          make.reset();
          setAsking(true);
        }}
      >
        {text.make}
      </ActionButton>
      {isAsking && (
        <Confirm
          title={text.title}
          verb={text.make}
          isBusy={make.isPending}
          error={make.error}
          onConfirm={() => make.mutate()}
          onClose={() => setAsking(false)}
        >
          <p>{text.text}</p>
          <Field label={text.source}>
            <Select value={source} onChange={(_, { value }) => setChosen(value)}>
              {sources.map((version) => (
                <option key={version} value={version}>
                  {visible(version)}
                </option>
              ))}
            </Select>
          </Field>
        </Confirm>
      )}
    </>
  );
}
