/** A new deployment: what, to whom, how, when, how safely; what will happen stands beside the form. */

import { Field, Input, Radio, RadioGroup, Select, Switch } from '@fluentui/react-components';
import { useQuery } from '@tanstack/react-query';
import { getRouteApi, Link } from '@tanstack/react-router';
import type { ReactNode } from 'react';
import { groupsQuery } from '../../api/queries';
import { useInstance } from '../../app/me';
import { Card, Empty, Loaded } from '../../design/card';
import { GroupsIcon, UpdatesIcon } from '../../design/icons';
import { Page } from '../../design/page';
import { updateText } from '../../design/text';
import { visible } from '../../text/format';
import { words } from '../../text/words';
import { type Draft, updateKey, useDraft } from './draft';
import { How } from './How';
import css from './new-deployment.module.css';
import { Summary } from './Summary';
import { how, text } from './text';
import { useUpdates } from './updates';

const route = getRouteApi('/$instance/deployments/new');
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
          <Part number={3} title={how.title}>
            <How draft={draft} change={change} />
          </Part>
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

const ImportOne = ({ instance }: { instance: string }) => (
  <Link to="/$instance/updates/import" params={{ instance }}>
    {words.actions.importUpdate}
  </Link>
);

function What({ draft, change }: { draft: Draft; change: Change }) {
  const instance = useInstance();
  const updates = useUpdates();
  return (
    <Part number={1} title={text.what}>
      <Loaded reading={updates} height={60}>
        {() =>
          updates.sorted.length === 0 ? (
            <Empty
              icon={<UpdatesIcon />}
              title={text.noUpdates}
              isSmall
              action={<ImportOne instance={instance} />}
            />
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
            <Empty icon={<GroupsIcon />} title={text.noGroups} isSmall>
              {text.noGroupsHint}
            </Empty>
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
    <Part number={4} title={text.when}>
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
    <Part number={5} title={text.safety}>
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
