/** One import on its way through the stages. */

import { useQuery } from '@tanstack/react-query';
import { getRouteApi, Link } from '@tanstack/react-router';
import type { Operation } from '../../api/client';
import { isOfDeltas } from '../../api/deltas';
import { isOver } from '../../api/operations';
import { importQuery } from '../../api/queries';
import { FOLLOWED_MS } from '../../app/live';
import { useInstance } from '../../app/me';
import { ButtonLink } from '../../design/actions';
import { Meter } from '../../design/bars';
import { Card, Grid, Loaded, Skeleton } from '../../design/card';
import { DeploymentsIcon, UpdatesIcon, WarningIcon } from '../../design/icons';
import { Banner, Page } from '../../design/page';
import { StateIcon, StateLabel, type StateName } from '../../design/state';
import { Facts, Foreign, Time, UpdateName, updateText } from '../../design/text';
import { Warnings } from '../../design/warnings';
import { bytes, visible } from '../../text/format';
import { DeltaRun } from './DeltaRun';
import { STAGES, type Stage, stageState } from './ImportStages';
import css from './import.module.css';
import { deltas, text } from './text';

const route = getRouteApi('/$instance/imports/$operation');

const STATES: Record<Operation['status'], { state: StateName; text: string }> = {
  NotStarted: { state: 'Waiting', text: text.waiting },
  Running: { state: 'InProgress', text: text.running },
  Succeeded: { state: 'Succeeded', text: text.succeeded },
  Failed: { state: 'Failed', text: text.failed },
};

const OF_DELTAS: typeof STATES = {
  NotStarted: { state: 'Waiting', text: deltas.waiting },
  Running: { state: 'InProgress', text: deltas.making },
  Succeeded: { state: 'Succeeded', text: deltas.succeeded },
  Failed: { state: 'Failed', text: deltas.failed },
};

export function ImportRun() {
  const instance = useInstance();
  const { operation: id } = route.useParams();
  const operation = useQuery({
    ...importQuery(instance, id),
    refetchInterval: ({ state }) => (isOver(state.data) ? false : FOLLOWED_MS),
  });
  const crumbs = [
    { text: text.updates, link: { to: '/$instance/updates', params: { instance } } as const },
  ];
  if (!operation.data) {
    return (
      <Page title={text.run} crumbs={crumbs}>
        <Loaded reading={{ ...operation, data: undefined }} height={240}>
          {() => <Skeleton />}
        </Loaded>
      </Page>
    );
  }
  const it = operation.data;
  const updateId = it.update?.updateId;
  const isDelta = isOfDeltas(it);
  const run = isDelta ? deltas.run : text.run;
  return (
    <Page
      title={updateId ? `${run}: ${updateText(updateId)}` : run}
      heading={
        <>
          {run} {updateId && <UpdateName of={updateId} />}
        </>
      }
      state={<StateLabel {...(isDelta ? OF_DELTAS : STATES)[it.status]} />}
      crumbs={crumbs}
      actions={
        updateId && it.status === 'Succeeded' ? (
          <>
            <ButtonLink
              to="/$instance/deployments/new"
              params={{ instance }}
              search={{ update: Object.values(updateId).join('/') }}
              isMain
            >
              <DeploymentsIcon /> {text.deploy}
            </ButtonLink>
            <ButtonLink
              to="/$instance/updates/$provider/$name/$version"
              params={{ instance, ...updateId }}
            >
              <UpdatesIcon /> {text.open}
            </ButtonLink>
          </>
        ) : (
          it.status === 'Failed' &&
          !isDelta && (
            <ButtonLink to="/$instance/updates/import" params={{ instance }}>
              {text.again}
            </ButtonLink>
          )
        )
      }
    >
      {it.error && (
        <Banner tone="bad" icon={<WarningIcon />}>
          <b>
            <Foreign>{it.error.message}</Foreign>
          </b>
          <ul>
            {reasons(it).map((reason) => (
              <li key={reason.code + reason.message} className="small anywhere">
                <code>{reason.code}</code> <Foreign>{reason.message}</Foreign>
              </li>
            ))}
          </ul>
        </Banner>
      )}
      <Warnings of={it.warnings} />
      <Grid>
        {isDelta ? <DeltaRun operation={it} /> : <Pipeline operation={it} />}
        <Card title={text.facts} span={4}>
          <Facts
            facts={[
              [
                text.update,
                updateId ? (
                  it.status === 'Succeeded' ? (
                    <Link
                      key="u"
                      to="/$instance/updates/$provider/$name/$version"
                      params={{ instance, ...updateId }}
                    >
                      <UpdateName of={updateId} />
                    </Link>
                  ) : (
                    <UpdateName key="u" of={updateId} />
                  )
                ) : (
                  ''
                ),
              ],
              [text.started, <Time key="s" at={it.createdDateTime} />],
              [text.last, <Time key="l" at={it.lastActionDateTime} />],
              ...(it.traceId
                ? [[text.trace, <code key="t">{it.traceId}</code>] as [string, React.ReactNode]]
                : []),
              [text.id, <code key="i">{visible(id)}</code>],
            ]}
          />
        </Card>
      </Grid>
    </Page>
  );
}

function Pipeline({ operation }: { operation: Operation }) {
  return (
    <Card title={text.pipeline} span={8}>
      <ol className={css.pipeline}>
        {STAGES.map((stage) => (
          <StageRow key={stage} stage={stage} operation={operation} />
        ))}
      </ol>
      <Waits title={text.waitsFor} of={operation.awaitedFiles} />
      <Waits title={text.missing} of={operation.missingFiles} />
      <Waits title={text.missing} of={operation.missingUpdates?.map(updateText)} />
    </Card>
  );
}

/** What an import cannot go on without. */
function Waits({ title, of }: { title: string; of: string[] | null | undefined }) {
  if (!of?.length) return null;
  return (
    <div className={css.waits}>
      <h3>{title}</h3>
      <ul>
        {of.map((name) => (
          <li key={name}>
            <Foreign atMost={300}>{name}</Foreign>
          </li>
        ))}
      </ul>
    </div>
  );
}

interface Reason {
  code: string;
  message: string;
}

/** All that the error says besides its first sentence, each once. */
function reasons({ error }: Operation): Reason[] {
  const found: Reason[] = (error?.details ?? []).map(({ code, message }) => ({ code, message }));
  let inner = error?.innererror;
  while (inner) {
    if (inner.message && inner.message !== error?.message) {
      found.push({ code: inner.code, message: inner.message });
    } else found.push({ code: inner.code, message: '' });
    inner = inner.innerError;
  }
  return found;
}

const STAGE_STATES: Record<ReturnType<typeof stageState>, StateName> = {
  done: 'Succeeded',
  now: 'InProgress',
  failed: 'Failed',
  'not yet': 'None',
};

function StageRow({ stage, operation }: { stage: Stage; operation: Operation }) {
  const state = stageState(operation, stage);
  const { title, what } = text.stages[stage];
  return (
    <li className={css.stage} data-now={state === 'now' || undefined}>
      <StateIcon state={STAGE_STATES[state]} />
      <div>
        <h3>
          {title}
          <span className="hidden">: {state}</span>
        </h3>
        <p className="small soft">{what}</p>
        {state !== 'not yet' && <Figures stage={stage} operation={operation} />}
      </div>
    </li>
  );
}

function Figures({ stage, operation }: { stage: Stage; operation: Operation }) {
  const { bytesDone, bytesTotal, filesScanned, filesTotal } = operation;
  if (stage === 'fetch' && bytesTotal) {
    const label = text.bytes(bytes(bytesDone ?? 0), bytes(bytesTotal));
    return (
      <div className={css.figures}>
        <Meter value={bytesDone ?? 0} total={bytesTotal} tone="run" label={label} />
        <small>{label}</small>
      </div>
    );
  }
  if (stage === 'scan' && filesTotal) {
    const label = text.files(filesScanned ?? 0, filesTotal);
    return (
      <div className={css.figures}>
        <Meter value={filesScanned ?? 0} total={filesTotal} tone="run" label={label} />
        <small>{label}</small>
      </div>
    );
  }
  return null;
}
