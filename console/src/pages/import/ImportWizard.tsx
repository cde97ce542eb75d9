/** An import from files: the manifest is given or made here, checked while it is written. */

import { Button, Textarea } from '@fluentui/react-components';
import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query';
import { useBlocker, useNavigate } from '@tanstack/react-router';
import { useEffect, useMemo, useRef, useState } from 'react';
import { useInstance } from '../../app/me';
import { ActionButton } from '../../design/actions';
import { Meter } from '../../design/bars';
import { Card, Problem } from '../../design/card';
import { ImportIcon } from '../../design/icons';
import { Page } from '../../design/page';
import { useSettled } from '../../design/settled';
import { StateIcon } from '../../design/state';
import { Foreign, UpdateName } from '../../design/text';
import { bytes } from '../../text/format';
import { FileList } from './FileList';
import { type Chosen, MANIFEST_NAME, useFiles } from './files';
import css from './import.module.css';
import { ManifestFields } from './ManifestFields';
import { EMPTY_FORM, type ManifestForm, manifestOf } from './manifest';
import { text, wizard } from './text';
import { type Progress, uploadAndImport } from './upload';
import { type Findings, validationQuery } from './validation';

const KEY = 'odu.draft.import';

export function ImportWizard() {
  const instance = useInstance();
  const { files, add, remove } = useFiles();
  const [form, setForm] = useForm();
  const [byHand, setByHand] = useState<string | null>(null);
  const given = files.find((each) => MANIFEST_NAME.test(each.file.name));
  const payload = files.filter((each) => each !== given);
  const fromFile = useFileText(given);
  const [createdAt] = useState(() => `${new Date().toISOString().slice(0, 19)}Z`);
  const made = useMemo(
    () => JSON.stringify(manifestOf(form, payload, createdAt), null, 2),
    [form, payload, createdAt],
  );
  const manifest = byHand ?? fromFile ?? made;
  const settled = useSettled(manifest);
  const areHashed = payload.every((each) => each.sha256);
  const isReady = files.length > 0 && areHashed;
  const findings = useQuery({
    ...validationQuery(instance, settled),
    enabled: isReady && settled !== '',
  });
  const isStale = settled !== manifest || findings.isFetching;
  const [friendlyName, setFriendlyName] = useState('');
  const name =
    given?.file.name ?? `${form.name || 'update'}-${form.version || '0'}.importmanifest.json`;
  return (
    <Page
      title={text.title}
      crumbs={[
        { text: text.updates, link: { to: '/$instance/updates', params: { instance } } as const },
      ]}
    >
      <div className={css.columns}>
        <div className={css.column}>
          <Card title={wizard.files}>
            <FileList files={files} onAdd={add} onRemove={remove} />
          </Card>
          {!given && byHand === null && (
            <ManifestFields
              form={form}
              onChange={setForm}
              files={payload}
              friendlyName={friendlyName}
              onFriendlyName={setFriendlyName}
              findings={isReady ? findings.data : undefined}
            />
          )}
          <Card
            title={wizard.json}
            side={
              byHand !== null
                ? wizard.byHand
                : given
                  ? wizard.given(given.file.name)
                  : wizard.byForm
            }
          >
            <Textarea
              aria-label={wizard.json}
              className={css.json}
              textarea={{ className: css.code }}
              value={manifest}
              rows={Math.min(24, manifest.split('\n').length + 1)}
              resize="vertical"
              spellCheck={false}
              onChange={(_, { value }) => setByHand(value)}
            />
            {byHand !== null && (
              <div>
                <Button size="small" onClick={() => setByHand(null)}>
                  {wizard.backToForm}
                </Button>
              </div>
            )}
          </Card>
        </div>
        <aside className={css.summary} aria-label={wizard.check}>
          <Card title={wizard.check}>
            <Check
              files={payload}
              isReady={isReady}
              findings={findings.data}
              error={findings.error}
            />
            <Send
              files={payload}
              manifest={{ name, text: manifest }}
              friendlyName={friendlyName}
              whyNot={
                files.length === 0
                  ? wizard.waitsForFiles
                  : !areHashed
                    ? wizard.waitsForHashes
                    : findings.data?.isPublished
                      ? wizard.published
                      : isStale || !findings.data?.isValid
                        ? wizard.violations(findings.data?.violations.length ?? 0)
                        : undefined
              }
            />
          </Card>
        </aside>
      </div>
    </Page>
  );
}

function useForm(): [ManifestForm, (change: Partial<ManifestForm>) => void] {
  const [form, setForm] = useState<ManifestForm>(() => ({
    ...EMPTY_FORM,
    ...(JSON.parse(sessionStorage.getItem(KEY) ?? '{}') as Partial<ManifestForm>),
  }));
  const change = (part: Partial<ManifestForm>) =>
    setForm((old) => {
      const next = { ...old, ...part };
      sessionStorage.setItem(KEY, JSON.stringify(next));
      return next;
    });
  return [form, change];
}

function useFileText(given: Chosen | undefined): string | null {
  const [content, setContent] = useState<string | null>(null);
  useEffect(() => {
    setContent(null);
    let isCurrent = true;
    given?.file.text().then((value) => isCurrent && setContent(value));
    return () => {
      isCurrent = false;
    };
  }, [given]);
  return given ? content : null;
}

function Check({
  files,
  isReady,
  findings,
  error,
}: {
  files: Chosen[];
  isReady: boolean;
  findings: Findings | undefined;
  error: unknown;
}) {
  const size = files.reduce((sum, each) => sum + each.file.size, 0);
  if (!isReady) {
    return (
      <p className="soft">{files.length === 0 ? wizard.waitsForFiles : wizard.waitsForHashes}</p>
    );
  }
  if (error) return <Problem error={error} />;
  if (!findings) return null;
  return (
    <div className={css.findings}>
      {findings.updateId && (
        <p className={css.big}>
          <UpdateName of={findings.updateId} />
        </p>
      )}
      <p>
        {bytes(size)} {wizard.size}
      </p>
      {findings.isPublished && (
        <p className={css.finding}>
          <StateIcon state="Stuck" /> {wizard.published}
        </p>
      )}
      {findings.isValid ? (
        <>
          <p className={css.finding}>
            <StateIcon state="Succeeded" /> {wizard.valid}
          </p>
          <p className={css.finding}>
            <StateIcon state={findings.deviceClassIds.length ? 'Succeeded' : 'Waiting'} />{' '}
            {wizard.fitsClasses(findings.deviceClassIds.length)}
          </p>
        </>
      ) : (
        <>
          <p className={css.finding}>
            <StateIcon state="Failed" /> {wizard.violations(findings.violations.length)}
          </p>
          <ul className={css.violations} aria-live="polite">
            {findings.violations.map((each) => (
              <li key={`${each.target}${each.message}`} className="small anywhere">
                <code>{each.target || '/'}</code> <Foreign>{each.message}</Foreign>
              </li>
            ))}
          </ul>
        </>
      )}
      {findings.missingUpdates.length > 0 && (
        <div className="small">
          {wizard.missing}{' '}
          {findings.missingUpdates.map((each) => (
            <UpdateName key={JSON.stringify(each)} of={each} />
          ))}
        </div>
      )}
    </div>
  );
}

function Send({
  files,
  manifest,
  friendlyName,
  whyNot,
}: {
  files: Chosen[];
  manifest: { name: string; text: string };
  friendlyName: string;
  whyNot: string | undefined;
}) {
  const instance = useInstance();
  const navigate = useNavigate();
  const queries = useQueryClient();
  const [progress, setProgress] = useState<Progress | null>(null);
  const stop = useRef<AbortController | null>(null);
  const isSending = useRef(false);
  const send = useMutation({
    mutationFn: () => {
      stop.current = new AbortController();
      isSending.current = true;
      const { signal } = stop.current;
      return uploadAndImport(instance, files, manifest, friendlyName, setProgress, signal);
    },
    onSuccess: (operation) => {
      isSending.current = false;
      sessionStorage.removeItem(KEY);
      queries.invalidateQueries({ queryKey: [instance, 'imports'] });
      navigate({ to: '/$instance/imports/$operation', params: { instance, operation } });
    },
    onError: () => {
      isSending.current = false;
      setProgress(null);
    },
  });
  useEffect(() => () => stop.current?.abort(), []);
  useBlocker({
    shouldBlockFn: () => isSending.current && !window.confirm(wizard.leave),
    enableBeforeUnload: () => isSending.current,
  });
  return (
    <div className={css.send}>
      {send.isError && !stop.current?.signal.aborted && <Problem error={send.error} />}
      {send.isPending && progress && (
        <div role="status">
          <Meter
            value={progress.bytesDone}
            total={progress.bytesTotal}
            tone="run"
            label={wizard.uploading(bytes(progress.bytesDone), bytes(progress.bytesTotal))}
          />
          <p className="small soft">
            {wizard.uploading(bytes(progress.bytesDone), bytes(progress.bytesTotal))}.{' '}
            {wizard.leave}
          </p>
        </div>
      )}
      <ActionButton
        action="updates/write"
        icon={<ImportIcon />}
        isMain
        isBusy={send.isPending}
        whyNot={whyNot}
        onClick={() => send.mutate()}
      >
        {wizard.import}
      </ActionButton>
      {send.isPending && <Button onClick={() => stop.current?.abort()}>{wizard.stop}</Button>}
    </div>
  );
}
