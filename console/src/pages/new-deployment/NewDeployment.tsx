/** A new deployment: what, to whom, when, how safely; what will happen stands beside the form. */

import { Field, Input, Radio, RadioGroup, Select, Switch } from '@fluentui/react-components';
import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query';
import { getRouteApi, useNavigate } from '@tanstack/react-router';
import type { ReactNode } from 'react';
import { body, client, V } from '../../api/client';
import {
  classesQuery,
  className,
  groupsQuery,
  subgroupsQuery,
  updatesQuery,
} from '../../api/queries';
import { useInstance } from '../../app/me';
import { ActionButton } from '../../design/actions';
import { announce } from '../../design/announce';
import { Card, Empty, Loaded, Problem } from '../../design/card';
import { DeploymentsIcon, UpdatesIcon } from '../../design/icons';
import { Page } from '../../design/page';
import { StateIcon } from '../../design/state';
import { Facts, UpdateName, updateText } from '../../design/text';
import { count, dateTime, visible } from '../../text/format';
import { words } from '../../text/words';
import { compareVersions } from '../updates/versions';
import { type Draft, misfit, parseUpdate, requestOf, updateKey, useDraft } from './draft';
import css from './new-deployment.module.css';
import { text } from './text';

const route = getRouteApi('/$instance/deployments/new');
const DEPLOYMENT =
  '/deviceUpdate/{instanceId}/management/groups/{groupId}/deployments/{deploymentId}';
const ROLLBACK = { percent: 10, devices: 5 };

export function NewDeployment() {
  const instance = useInstance();
  const search = route.useSearch();
  const [draft, change, clear] = useDraft(instance, search);
  return (
    <Page
      title={text.title}
      crumbs={[
        {
          text: text.deployments,
          link: { to: '/$instance/deployments', params: { instance } } as const,
        },
      ]}
    >
      <div className={css.columns}>
        <form className={css.form} onSubmit={(event) => event.preventDefault()}>
          <What draft={draft} change={change} />
          <Whom draft={draft} change={change} />
          <When draft={draft} change={change} />
          <Safety draft={draft} change={change} />
        </form>
        <Summary draft={draft} clear={clear} />
      </div>
    </Page>
  );
}

type Change = (part: Draft) => void;

function Part({ number, title, children }: { number: number; title: string; children: ReactNode }) {
  return (
    <Card
      title={
        <>
          <span className={css.place} aria-hidden="true">
            {number}
          </span>
          {title}
        </>
      }
    >
      <div className={css.fields}>{children}</div>
    </Card>
  );
}

function useUpdates() {
  const instance = useInstance();
  const updates = useQuery(updatesQuery(instance, undefined, true));
  const sorted = [...(updates.data ?? [])].sort((a, b) => {
    const name = `${a.updateId.provider}${a.updateId.name}`.localeCompare(
      `${b.updateId.provider}${b.updateId.name}`,
    );
    return name || compareVersions(b.updateId.version, a.updateId.version);
  });
  return { ...updates, sorted };
}

function What({ draft, change }: { draft: Draft; change: Change }) {
  const updates = useUpdates();
  return (
    <Part number={1} title={text.what}>
      <Loaded reading={updates} height={60}>
        {() =>
          updates.sorted.length === 0 ? (
            <Empty icon={<UpdatesIcon />} title={text.noUpdates} />
          ) : (
            <Field label={text.update} required>
              <Select
                value={draft.update ?? ''}
                onChange={(_, { value }) => change({ update: value || undefined })}
              >
                <option value="">{text.chooseUpdate}</option>
                {updates.sorted.map((each) => (
                  <option key={updateKey(each.updateId)} value={updateKey(each.updateId)}>
                    {updateText(each.updateId)}
                    {each.friendlyName ? ` – ${visible(each.friendlyName)}` : ''}
                  </option>
                ))}
              </Select>
            </Field>
          )
        }
      </Loaded>
    </Part>
  );
}

function Whom({ draft, change }: { draft: Draft; change: Change }) {
  const instance = useInstance();
  const groups = useQuery(groupsQuery(instance));
  return (
    <Part number={2} title={text.whom}>
      <Loaded reading={groups} height={60}>
        {(all) =>
          all.length === 0 ? (
            <Empty title={text.noGroups} />
          ) : (
            <Field label={text.group} required>
              <Select
                value={draft.group ?? ''}
                onChange={(_, { value }) => change({ group: value || undefined })}
              >
                <option value="">{text.chooseGroup}</option>
                {all.map((each) => (
                  <option key={each.groupId} value={each.groupId}>
                    {visible(each.groupId)} ({words.devices(each.deviceCount)})
                  </option>
                ))}
              </Select>
            </Field>
          )
        }
      </Loaded>
    </Part>
  );
}

function When({ draft, change }: { draft: Draft; change: Change }) {
  const isLater = draft.startAt !== undefined;
  const isPast = isLater && Date.parse(draft.startAt ?? '') < Date.now();
  return (
    <Part number={3} title={text.when}>
      <RadioGroup
        layout="horizontal"
        aria-label={text.when}
        value={isLater ? 'later' : 'now'}
        onChange={(_, { value }) => change({ startAt: value === 'later' ? inAnHour() : undefined })}
      >
        <Radio value="now" label={text.now} />
        <Radio value="later" label={text.later} />
      </RadioGroup>
      {isLater && (
        <Field
          label={text.startAt}
          validationMessage={isPast ? text.past : undefined}
          validationState={isPast ? 'warning' : 'none'}
        >
          <Input
            type="datetime-local"
            value={draft.startAt}
            onChange={(_, { value }) => change({ startAt: value })}
          />
        </Field>
      )}
    </Part>
  );
}

/** The next full hour but one, as an input has it. */
function inAnHour(): string {
  const at = new Date(Date.now() + 3_600_000);
  at.setMinutes(0, 0, 0);
  at.setHours(at.getHours() + 1);
  return new Date(at.getTime() - at.getTimezoneOffset() * 60_000).toISOString().slice(0, 16);
}

function Safety({ draft, change }: { draft: Draft; change: Change }) {
  const updates = useUpdates();
  const { rollback } = draft;
  const set = (part: Partial<NonNullable<Draft['rollback']>>) =>
    change({ rollback: { update: '', ...ROLLBACK, ...rollback, ...part } });
  return (
    <Part number={4} title={text.safety}>
      <Switch
        label={text.rollback}
        checked={Boolean(rollback)}
        onChange={(_, { checked }) =>
          change({ rollback: checked ? { update: '', ...ROLLBACK } : undefined })
        }
      />
      {rollback && (
        <>
          <Field label={text.rollbackTo} required>
            <Select value={rollback.update} onChange={(_, { value }) => set({ update: value })}>
              <option value="">{text.chooseUpdate}</option>
              {updates.sorted
                .filter((each) => updateKey(each.updateId) !== draft.update)
                .map((each) => (
                  <option key={updateKey(each.updateId)} value={updateKey(each.updateId)}>
                    {updateText(each.updateId)}
                  </option>
                ))}
            </Select>
          </Field>
          <div className={css.pair}>
            <Field label={text.percent}>
              <Input
                type="number"
                min={1}
                max={100}
                value={String(rollback.percent)}
                onChange={(_, { value }) => set({ percent: Number(value) })}
              />
            </Field>
            <Field label={text.devices}>
              <Input
                type="number"
                min={1}
                value={String(rollback.devices)}
                onChange={(_, { value }) => set({ devices: Number(value) })}
              />
            </Field>
          </div>
        </>
      )}
    </Part>
  );
}

function Summary({ draft, clear }: { draft: Draft; clear: () => void }) {
  const instance = useInstance();
  const updates = useUpdates();
  const classes = useQuery(classesQuery(instance));
  const subgroups = useQuery({
    ...subgroupsQuery(instance, draft.group ?? ''),
    enabled: Boolean(draft.group),
  });
  const update = updates.sorted.find((each) => updateKey(each.updateId) === draft.update);
  const rows = (subgroups.data ?? []).map((subgroup) => {
    const known = classes.data?.find((each) => each.deviceClassId === subgroup.deviceClassId);
    return { subgroup, known, wrong: update && known ? misfit(update, known) : null };
  });
  const asked = rows
    .filter((row) => !row.wrong)
    .reduce((sum, row) => sum + row.subgroup.deviceCount, 0);
  const others = rows
    .filter((row) => row.wrong)
    .reduce((sum, row) => sum + row.subgroup.deviceCount, 0);
  const isReady = Boolean(update && draft.group && subgroups.data);
  const whyNot =
    !update || !draft.group
      ? text.whyNot
      : isReady && asked === 0
        ? text.noFit
        : draft.rollback && !parseUpdate(draft.rollback.update)
          ? text.noRollback
          : undefined;
  return (
    <aside className={css.summary} aria-label={text.summary}>
      <Card title={text.summary}>
        {!isReady || !update ? (
          <p className="soft">{text.pickFirst}</p>
        ) : (
          <>
            <p className={css.big}>{words.devices(asked)}</p>
            <p>
              {text.willBeAsked} <UpdateName of={update.updateId} />
            </p>
            <ul className={css.classes}>
              {rows.map(({ subgroup, known, wrong }) => (
                <li key={subgroup.deviceClassId}>
                  <StateIcon state={wrong ? 'Canceled' : 'Succeeded'} />
                  <span>
                    <bdi>{visible(className(known, subgroup.deviceClassId))}</bdi>{' '}
                    <span className="soft">{count(subgroup.deviceCount)}</span>
                    {wrong && (
                      <small className="soft anywhere">
                        {text.misfit}:{' '}
                        {wrong.has === null
                          ? text.missing(wrong.property)
                          : text.needs(wrong.property, visible(wrong.wants), visible(wrong.has))}
                      </small>
                    )}
                  </span>
                </li>
              ))}
            </ul>
            <Facts
              facts={[
                [
                  text.starts,
                  draft.startAt && Date.parse(draft.startAt) > Date.now()
                    ? dateTime(new Date(draft.startAt).toISOString())
                    : text.atOnce,
                ],
                ...(others > 0
                  ? [[text.misfit, `${count(others)} ${text.notAsked}`] as [string, ReactNode]]
                  : []),
              ]}
            />
          </>
        )}
        <Create draft={draft} whyNot={whyNot} clear={clear} />
      </Card>
    </aside>
  );
}

function Create({ draft, whyNot, clear }: { draft: Draft; whyNot?: string; clear: () => void }) {
  const instanceId = useInstance();
  const navigate = useNavigate();
  const queries = useQueryClient();
  const create = useMutation({
    mutationFn: async () => {
      const request = requestOf(draft, crypto.randomUUID(), Date.now())!;
      const { groupId, deploymentId } = request;
      await body(
        client.PUT(DEPLOYMENT, {
          params: { path: { instanceId, groupId, deploymentId }, query: V },
          body: request,
        }),
      );
      return request;
    },
    onSuccess: ({ groupId, deploymentId }) => {
      clear();
      announce(text.created);
      queries.invalidateQueries({ queryKey: [instanceId] });
      navigate({
        to: '/$instance/groups/$group/deployments/$deployment',
        params: { instance: instanceId, group: groupId, deployment: deploymentId },
      });
    },
  });
  return (
    <div className={css.create}>
      {create.isError && <Problem error={create.error} />}
      <ActionButton
        action="management/write"
        icon={<DeploymentsIcon />}
        isMain
        isBusy={create.isPending}
        whyNot={whyNot}
        onClick={() => create.mutate()}
      >
        {text.create}
      </ActionButton>
    </div>
  );
}
