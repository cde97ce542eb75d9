/** The devices of the list as a file: asked for here, written by an operation that has its own page. */

import { Field, Radio, RadioGroup } from '@fluentui/react-components';
import { useMutation } from '@tanstack/react-query';
import { useNavigate } from '@tanstack/react-router';
import { useState } from 'react';
import { type DeviceFilter, filterOf } from '../../api/device-filter';
import { type ExportFormat, startExport } from '../../api/exports';
import { useInstance } from '../../app/me';
import { ActionButton } from '../../design/actions';
import { Confirm } from '../../design/confirm';
import { DownloadIcon } from '../../design/icons';
import { exporting as text } from './text';

export function Export({ filter, isEmpty }: { filter: DeviceFilter; isEmpty: boolean }) {
  const instance = useInstance();
  const navigate = useNavigate();
  const [isAsking, setAsking] = useState(false);
  const [format, setFormat] = useState<ExportFormat>('csv');
  const start = useMutation({
    mutationFn: () => startExport(instance, filterOf(filter, Date.now()), format),
    onSuccess: (operation) =>
      navigate({ to: '/$instance/exports/$operation', params: { instance, operation } }),
  });
  const ask = () => {
    start.reset();
    setAsking(true);
  };
  return (
    <>
      <ActionButton
        action="management/read"
        icon={<DownloadIcon />}
        whyNot={isEmpty ? text.whyNot : undefined}
        onClick={ask}
      >
        {text.export}
      </ActionButton>
      {isAsking && (
        <Confirm
          title={text.title}
          verb={text.export}
          isBusy={start.isPending}
          error={start.error}
          onConfirm={() => start.mutate()}
          onClose={() => setAsking(false)}
        >
          <p>{Object.values(filter).some(Boolean) ? text.filtered : text.all}</p>
          <Field label={text.format}>
            <RadioGroup
              value={format}
              onChange={(_, { value }) => setFormat(value as ExportFormat)}
            >
              {(['csv', 'parquet'] as const).map((each) => (
                <Radio key={each} value={each} label={text.formats[each]} />
              ))}
            </RadioGroup>
          </Field>
        </Confirm>
      )}
    </>
  );
}
