/** The filters of the list of devices, and those in force as tags; all are in the address. */

import { useQuery } from '@tanstack/react-query';
import type { ReactNode } from 'react';
import { CONDITIONS, type DeviceFilter, NO_UPDATE, STATES } from '../../api/device-filter';
import { installedQuery } from '../../api/fleet';
import { groupsQuery } from '../../api/queries';
import { useInstance } from '../../app/me';
import { Choose, Filters, SearchField, Tags } from '../../design/filters';
import { updateText } from '../../design/text';
import { count } from '../../text/format';
import { parseUpdate, updateKey } from '../new-deployment/draft';
import css from './devices.module.css';
import { text } from './text';

export interface DeviceClassName {
  id: string;
  name: string;
}

type Set = (change: DeviceFilter) => void;

/** How many filters of the second row are in force. */
const more = (filter: DeviceFilter): number =>
  [filter.installed, filter.latest, filter.connected, filter.quiet].filter(Boolean).length;

export function DeviceFilters({
  filter,
  classes,
  actions,
  onChange,
}: {
  filter: DeviceFilter;
  classes: DeviceClassName[];
  actions: ReactNode;
  onChange: Set;
}) {
  const instance = useInstance();
  const groups = useQuery(groupsQuery(instance));
  const installed = useQuery(installedQuery(instance));
  const updates = (installed.data ?? []).map(({ update, deviceCount }) =>
    update
      ? ([
          updateKey(update.updateId),
          `${updateText(update.updateId)} (${count(deviceCount)})`,
        ] as const)
      : ([NO_UPDATE, `${text.noUpdate} (${count(deviceCount)})`] as const),
  );
  const isMore = more(filter) > 0;
  return (
    <>
      <Filters side={actions}>
        <SearchField
          label={text.starts}
          value={filter.starts}
          onChange={(starts) => onChange({ starts })}
        />
        <Choose
          label={text.state}
          value={filter.is ?? filter.state}
          options={[
            ...STATES.map((each) => [each, text.states[each]] as const),
            ...CONDITIONS.map((each) => [each, text.conditions[each]] as const),
          ]}
          onChange={(value) =>
            onChange({
              state: STATES.find((each) => each === value),
              is: CONDITIONS.find((each) => each === value),
            })
          }
        />
        <Choose
          label={text.group}
          value={filter.group}
          options={(groups.data ?? []).map((each) => [each.groupId, each.groupId] as const)}
          onChange={(group) => onChange({ group })}
        />
        <Choose
          label={text.class}
          value={filter.class}
          options={classes.map((each) => [each.id, each.name] as const)}
          onChange={(value) => onChange({ class: value })}
        />
      </Filters>
      <details className={css.more} open={isMore || undefined}>
        <summary>{text.more}</summary>
        <Filters>
          <Choose
            label={text.installed}
            value={filter.installed}
            options={withChosen(updates, filter.installed)}
            onChange={(value) => onChange({ installed: value })}
          />
          <Choose
            label={text.latest}
            value={filter.latest}
            options={text.latests}
            onChange={(value) => onChange({ latest: value as DeviceFilter['latest'] })}
          />
          <Choose
            label={text.quiet}
            value={filter.quiet ? String(filter.quiet) : undefined}
            options={text.quiets}
            onChange={(value) => onChange({ quiet: value ? Number(value) : undefined })}
          />
          <Choose
            label={text.connection}
            value={filter.connected}
            options={text.connections}
            onChange={(value) => onChange({ connected: value as DeviceFilter['connected'] })}
          />
        </Filters>
      </details>
    </>
  );
}

/** The options, with the one of the address even where it is not among them. */
function withChosen(options: (readonly [string, string])[], chosen: string | undefined) {
  const isKnown = !chosen || options.some(([key]) => key === chosen);
  return isKnown ? options : [...options, [chosen, installedText(chosen)] as const];
}

function installedText(key: string): string {
  const id = parseUpdate(key);
  return id ? updateText(id) : text.noUpdate;
}

const NONE: DeviceFilter = {
  group: undefined,
  class: undefined,
  state: undefined,
  is: undefined,
  code: undefined,
  installed: undefined,
  latest: undefined,
  connected: undefined,
  quiet: undefined,
  starts: undefined,
};

export function DeviceTags({
  filter,
  nameOfClass,
  onChange,
}: {
  filter: DeviceFilter;
  nameOfClass: (id: string) => string;
  onChange: Set;
}) {
  const texts: [keyof DeviceFilter, string | undefined][] = [
    ['starts', filter.starts && text.tags.starts(filter.starts)],
    ['state', filter.state && text.tags.state(text.states[filter.state])],
    ['is', filter.is && text.tags.state(text.conditions[filter.is])],
    ['group', filter.group && text.tags.group(filter.group)],
    ['class', filter.class && text.tags.class(nameOfClass(filter.class))],
    ['code', filter.code && text.tags.code(filter.code)],
    ['installed', filter.installed && text.tags.installed(installedText(filter.installed))],
    ['latest', filter.latest && nameOf(text.latests, filter.latest)],
    ['quiet', filter.quiet ? text.tags.quiet(filter.quiet) : undefined],
    ['connected', filter.connected && nameOf(text.connections, filter.connected)],
  ];
  return (
    <Tags
      tags={texts.flatMap(([name, what]) =>
        what ? [{ text: what, onRemove: () => onChange({ [name]: undefined }) }] : [],
      )}
      onClear={() => onChange(NONE)}
    />
  );
}

const nameOf = (options: readonly (readonly [string, string])[], key: string): string =>
  options.find(([each]) => each === key)?.[1] ?? key;
