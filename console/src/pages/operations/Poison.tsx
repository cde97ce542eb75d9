/** What failed for good, by cause: set going again or dropped, one by one or all of a cause. */

import { Button } from '@fluentui/react-components';
import { useQuery } from '@tanstack/react-query';
import { useState } from 'react';
import {
  byCause,
  type Cause,
  keyOf,
  type Poison,
  poisonQuery,
  queuesQuery,
  type Verb,
} from '../../api/poison';
import { polled } from '../../app/live';
import { useInstance } from '../../app/me';
import { ActionButton } from '../../design/actions';
import { Meter } from '../../design/bars';
import { Card, Loaded, Problem } from '../../design/card';
import { Confirm } from '../../design/confirm';
import { DeleteIcon, RetryIcon } from '../../design/icons';
import { StateIcon } from '../../design/state';
import { type Column, Table } from '../../design/table';
import { Foreign, Time, Two } from '../../design/text';
import { visible } from '../../text/format';
import { words } from '../../text/words';
import css from './operations.module.css';
import { type Run, type Target, usePoisonRun } from './poison-run';
import { poison as text } from './text';

/** So many messages of a cause are shown before somebody asks for all that are listed. */
const SHOWN = 5;

interface Question {
  verb: Verb;
  target: Target;
  messages: string;
}

export function PoisonMessages() {
  const instance = useInstance();
  const listed = useQuery({ ...poisonQuery(instance), ...polled });
  const queues = useQuery({ ...queuesQuery(instance), ...polled });
  const [chosen, setChosen] = useState<Set<string>>(new Set());
  const [question, setQuestion] = useState<Question | null>(null);
  const { run, start, stop, close } = usePoisonRun();
  const isBusy = run?.state === 'running' || run?.state === 'stopping';
  const isAnything = listed.data
    ? listed.data.length > 0
    : queues.data?.some((each) => each.poisonMessageCount > 0);
  if (!run && !isAnything && !listed.isError) return null;

  const picked = (listed.data ?? []).filter((each) => chosen.has(keyOf(each)));
  const whyNot = isBusy ? text.busy : picked.length === 0 ? text.chooseFirst : undefined;
  const ask = (verb: Verb, target: Target) =>
    setQuestion({
      verb,
      target,
      messages: Array.isArray(target)
        ? text.messages(target.length)
        : text.allOf(nameOf(target.cause)),
    });
  return (
    <Card
      title={text.title}
      isFlush
      side={
        <Buttons
          whyNot={whyNot}
          labels={[text.replayChosen, text.discardChosen]}
          onAsk={(verb) => ask(verb, picked)}
        />
      }
    >
      {question && (
        <Confirm
          title={text[`${question.verb}Title`](question.messages)}
          verb={text[question.verb]}
          isBusy={false}
          error={null}
          onConfirm={() => {
            start(question.verb, question.target);
            setQuestion(null);
            setChosen(new Set());
          }}
          onClose={() => setQuestion(null)}
        >
          <p>{text[`${question.verb}Text`]}</p>
          {!Array.isArray(question.target) && <p>{text.also}</p>}
        </Confirm>
      )}
      {run && (
        <RunState
          run={run}
          onStop={stop}
          onClose={close}
          onGoOn={() => start(run.verb, run.target, run.done)}
        />
      )}
      <Loaded reading={listed} height={120}>
        {(rows) =>
          byCause(rows, queues.data ?? []).map((cause) => (
            <OfCause
              key={cause.cause}
              of={cause}
              isBusy={isBusy}
              chosen={chosen}
              onChoose={setChosen}
              onAsk={(verb) => ask(verb, cause)}
            />
          ))
        }
      </Loaded>
    </Card>
  );
}

function OfCause({
  of,
  isBusy,
  chosen,
  onChoose,
  onAsk,
}: {
  of: Cause;
  isBusy: boolean;
  chosen: Set<string>;
  onChoose: (chosen: Set<string>) => void;
  onAsk: (verb: Verb) => void;
}) {
  const [isWhole, setWhole] = useState(false);
  const { cause, messages, hasMore, most } = of;
  const rows = isWhole ? messages : messages.slice(0, SHOWN);
  return (
    <section className={css.cause} aria-label={nameOf(cause)}>
      <div className={css.causeHead}>
        <h3>
          <bdi>{nameOf(cause)}</bdi>{' '}
          <small className={`${css.light} soft`}>
            {hasMore ? text.atLeast(messages.length, most) : text.messages(messages.length)}
          </small>
        </h3>
        <Buttons
          whyNot={isBusy ? text.busy : undefined}
          labels={[text.replayAll, text.discardAll]}
          onAsk={onAsk}
        />
      </div>
      <Table
        label={text.ofCause(nameOf(cause))}
        columns={COLUMNS}
        rows={rows}
        keyOf={keyOf}
        choice={{
          chosen,
          onChange: (here) => onChoose(merged(chosen, here, rows)),
          nameOf: (key) => key,
        }}
      />
      {messages.length > rows.length && (
        <div className={css.more}>
          <Button size="small" appearance="subtle" onClick={() => setWhole(true)}>
            {text.showAll(messages.length)}
          </Button>
        </div>
      )}
    </section>
  );
}

/** What is chosen in one table, beside what is chosen in the others. */
function merged(all: Set<string>, here: Set<string>, rows: Poison[]): Set<string> {
  const keys = new Set(rows.map(keyOf));
  const elsewhere = [...all].filter((key) => !keys.has(key));
  return new Set([...elsewhere, ...[...here].filter((key) => keys.has(key))]);
}

function Buttons({
  whyNot,
  labels: [replay, discard],
  onAsk,
}: {
  whyNot: string | undefined;
  labels: [string, string];
  onAsk: (verb: Verb) => void;
}) {
  return (
    <span className={css.tools}>
      <ActionButton
        action="operations/write"
        icon={<RetryIcon />}
        whyNot={whyNot}
        onClick={() => onAsk('replay')}
      >
        {replay}
      </ActionButton>
      <ActionButton
        action="operations/write"
        icon={<DeleteIcon />}
        whyNot={whyNot}
        onClick={() => onAsk('discard')}
      >
        {discard}
      </ActionButton>
    </span>
  );
}

/** How far it is; what was done stays to be read until somebody closes it. */
function RunState({
  run,
  onStop,
  onClose,
  onGoOn,
}: {
  run: Run;
  onStop: () => void;
  onClose: () => void;
  onGoOn: () => void;
}) {
  const { verb, state, done, most, target } = run;
  const isRunning = state === 'running' || state === 'stopping';
  const handled = done.replayed + done.discarded;
  const title = Array.isArray(target) ? text.messages(most) : text.allOf(nameOf(target.cause));
  const said = verb === 'replay' ? text.didReplay(done) : text.didDiscard(done.discarded);
  return (
    <div className={css.run}>
      <div role="status">
        <p className="lead">
          <StateIcon state={isRunning ? 'InProgress' : state === 'ended' ? 'Succeeded' : 'Stuck'} />{' '}
          {text.states[state](text[verb], title)}
        </p>
        <p>
          {said}
          {verb === 'replay' && done.replayed > 0 && !isRunning && ` ${text.comesBack}`}
        </p>
      </div>
      {isRunning && (
        <Meter value={handled} total={most} tone="run" label={text.progress(handled, most)} />
      )}
      {state === 'failed' && <Problem error={run.error} />}
      <span className={css.tools}>
        {isRunning && (
          <Button size="small" disabled={state === 'stopping'} onClick={onStop}>
            {text.stop}
          </Button>
        )}
        {(state === 'failed' || state === 'stopped') && (
          <Button size="small" onClick={onGoOn}>
            {text.goOn}
          </Button>
        )}
        {!isRunning && (
          <Button size="small" appearance="subtle" onClick={onClose}>
            {words.actions.close}
          </Button>
        )}
      </span>
    </div>
  );
}

const COLUMNS: Column<Poison>[] = [
  {
    head: text.work,
    narrow: 'title',
    width: '36%',
    cell: (row) => (
      <Two
        first={<span className={css.wrapped}>{visible(row.work)}</span>}
        second={<bdi>{aboutOf(row)}</bdi>}
      />
    ),
  },
  {
    head: text.why,
    narrow: 'line',
    grows: true,
    cell: (row) => (
      <Foreign atMost={300}>{row.isOver ? text.isOver : (row.reason ?? text.noReason)}</Foreign>
    ),
  },
  { head: text.queue, cell: (row) => <code>{visible(row.queue)}</code> },
  {
    head: text.since,
    narrow: 'fact',
    isNumber: true,
    cell: (row) => <Time at={row.putDateTime} />,
  },
];

const UNKNOWN = 'Unknown';
const nameOf = (cause: string): string => (cause === UNKNOWN ? text.noCause : visible(cause));

const NAMED = [
  'update',
  'group',
  'deployment',
  'collection',
  'operation',
  'blob',
  'bucket',
  'deviceId',
];

/** Which things a message was about, in short. */
function aboutOf({ about: given }: Poison): string {
  const about: Record<string, unknown> = given;
  const named = NAMED.flatMap((name) => {
    const value = about[name];
    if (typeof value === 'string' || typeof value === 'number') return [visible(String(value))];
    return [];
  });
  const devices = Array.isArray(about.devices) ? [words.devices(about.devices.length)] : [];
  return [...named, ...devices].slice(0, 2).join(', ');
}
