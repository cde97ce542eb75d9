/** The files of an update: sizes, deltas, and what each scanner said. */

import { Tooltip } from '@fluentui/react-components';
import { useQueries, useQuery } from '@tanstack/react-query';
import { body, client, type Schemas, type Update, V } from '../../api/client';
import { useInstance } from '../../app/me';
import { Card, Empty, Loaded } from '../../design/card';
import { DeltaIcon, UpdatesIcon } from '../../design/icons';
import { Pill } from '../../design/state';
import { type Column, Table } from '../../design/table';
import { Foreign, updateText } from '../../design/text';
import { bytes, percent, visible } from '../../text/format';
import { delta, text } from './text';
import css from './update.module.css';

const ONE =
  '/deviceUpdate/{instanceId}/updates/providers/{provider}/names/{name}/versions/{version}';
type File = Schemas['UpdateFile'];

export function Files({ update }: { update: Update }) {
  const instanceId = useInstance();
  const path = { instanceId, ...update.updateId };
  const ids = useQuery({
    queryKey: [instanceId, 'files', updateText(update.updateId)],
    queryFn: ({ signal }) =>
      body(client.GET(`${ONE}/files`, { params: { path, query: V }, signal })).then(
        (page) => page.value,
      ),
  });
  const files = useQueries({
    queries: (ids.data ?? []).map((fileId) => ({
      queryKey: [instanceId, 'files', updateText(update.updateId), fileId],
      queryFn: ({ signal }: { signal: AbortSignal }) =>
        body(
          client.GET(`${ONE}/files/{fileId}`, {
            params: { path: { ...path, fileId }, query: V },
            signal,
          }),
        ),
    })),
  });
  const rows = files.flatMap((each) => (each.data ? [each.data] : []));
  return (
    <Card title={text.files} span={8} isFlush>
      <Loaded reading={ids} height={160}>
        {(known) =>
          known.length === 0 ? (
            <Empty icon={<UpdatesIcon />} title={text.noFiles} />
          ) : (
            <Table
              label={text.files}
              columns={FILE_COLUMNS}
              rows={rows}
              keyOf={(file) => file.fileId}
            />
          )
        }
      </Loaded>
    </Card>
  );
}

const FILE_COLUMNS: Column<File>[] = [
  {
    head: text.file,
    narrow: 'title',
    grows: true,
    cell: (file) => (
      <span
        title={Object.entries(file.hashes)
          .map(([name, hash]) => `${name} ${hash}`)
          .join('\n')}
      >
        <Foreign>{file.fileName}</Foreign>
        <Related of={file} />
      </span>
    ),
  },
  { head: text.size, narrow: 'state', isNumber: true, cell: (file) => bytes(file.sizeInBytes) },
  {
    head: text.verdicts,
    narrow: 'line',
    cell: (file) => (
      <span className={css.verdicts}>
        {(file.scanVerdicts ?? []).map((verdict) => (
          <Tooltip
            key={verdict.engine}
            relationship="description"
            content={`${verdict.engine} ${verdict.engineVersion}, ${text.rules} ${verdict.rulesVersion}, ${text.members(verdict.membersScanned)}`}
          >
            <span>
              <Pill tone={verdict.result === 'Success' ? 'ok' : 'bad'}>
                {verdict.engine}:{' '}
                {verdict.result === 'Success' ? text.clean : visible(verdict.result)}
              </Pill>
            </span>
          </Tooltip>
        ))}
      </span>
    ),
  },
];

/** What a device may fetch in place of the file, if it has what that was made from. */
function Related({ of: file }: { of: File }) {
  if (!file.relatedFiles?.length) return null;
  return (
    <ul className={css.related} aria-label={delta.related}>
      {file.relatedFiles.map((each) => (
        <li key={each.fileName} className="small soft">
          <DeltaIcon aria-hidden="true" /> <Foreign atMost={300}>{each.fileName}</Foreign>{' '}
          {delta.saves(
            bytes(each.sizeInBytes),
            percent(Math.max(0, file.sizeInBytes - each.sizeInBytes), file.sizeInBytes),
          )}
        </li>
      ))}
    </ul>
  );
}
