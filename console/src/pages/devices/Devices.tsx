/** The devices: filters in the address, a page of the server at a time. */

import { useQuery } from '@tanstack/react-query';
import { getRouteApi, useNavigate } from '@tanstack/react-router';
import { useEffect, useState } from 'react';
import { nextToken } from '../../api/client';
import { type DeviceFilter, devicesQuery } from '../../api/devices';
import { ApiError } from '../../api/errors';
import { classesQuery, className, complianceQuery, groupsQuery } from '../../api/queries';
import { live } from '../../app/live';
import { useInstance } from '../../app/me';
import { ActionButton } from '../../design/actions';
import { announce } from '../../design/announce';
import { Card, Empty, Loaded } from '../../design/card';
import { Choose, Filters, SearchField, Tags } from '../../design/filters';
import { DevicesIcon, LogsIcon } from '../../design/icons';
import { Page } from '../../design/page';
import { usePaging } from '../../design/paging';
import { Pager } from '../../design/table';
import { words } from '../../text/words';
import { DeviceTable } from './DeviceTable';
import { text } from './text';

const route = getRouteApi('/$instance/devices');
const PAGE = 100;

export function Devices() {
  const instance = useInstance();
  const search = route.useSearch();
  const navigate = route.useNavigate();
  const go = useNavigate();
  const paging = usePaging();
  const [chosen, setChosen] = useState<Set<string>>(new Set());
  const filter: DeviceFilter = search.group
    ? { group: search.group, state: search.state }
    : { class: search.class };
  const devices = useQuery({ ...devicesQuery(instance, filter, paging.token), ...live });
  const groups = useQuery(groupsQuery(instance));
  const classes = useQuery(classesQuery(instance));
  const compliance = useQuery({ ...complianceQuery(instance), ...live });
  useExpiredToken(devices.error, paging.restart);

  const set = (change: typeof search) => {
    setChosen(new Set());
    navigate({ search: (old) => ({ ...old, ...change }) });
  };
  const group = groups.data?.find((each) => each.groupId === search.group);
  const total = compliance.data?.totalDeviceCount;
  const nameOfClass = (id: string) =>
    className(
      classes.data?.find((each) => each.deviceClassId === id),
      id,
    );

  return (
    <Page
      title={text.title}
      state={
        <span className="soft">
          {total === undefined
            ? null
            : group && !search.state
              ? text.matching(group.deviceCount, total)
              : text.inAll(total)}
        </span>
      }
    >
      <Filters
        side={
          <ActionButton
            action="management/write"
            icon={<LogsIcon />}
            whyNot={chosen.size === 0 ? 'Choose devices first' : undefined}
            onClick={() =>
              go({
                to: '/$instance/diagnostics',
                params: { instance },
                search: { device: [...chosen].join('\n') },
              })
            }
          >
            {text.collect}
          </ActionButton>
        }
      >
        <SearchField
          label={text.open}
          value={undefined}
          onChange={(device) =>
            device && go({ to: '/$instance/devices/$device', params: { instance, device } })
          }
        />
        <Choose
          label={text.group}
          value={search.group}
          options={(groups.data ?? []).map((each) => [each.groupId, each.groupId] as const)}
          onChange={(value) =>
            set({ group: value, class: undefined, state: value ? search.state : undefined })
          }
        />
        <Choose
          label={text.class}
          value={search.class}
          options={(classes.data ?? []).map(
            (each) => [each.deviceClassId, nameOfClass(each.deviceClassId)] as const,
          )}
          onChange={(value) => set({ class: value, group: undefined, state: undefined })}
        />
        {search.group && (
          <Choose
            label={text.state}
            value={search.state}
            options={text.states}
            onChange={(value) => set({ state: value as typeof search.state })}
          />
        )}
      </Filters>
      <Tags
        tags={[
          ...(search.group
            ? [
                {
                  text: text.groupIs(search.group),
                  onRemove: () => set({ group: undefined, state: undefined }),
                },
              ]
            : []),
          ...(search.class
            ? [
                {
                  text: text.classIs(nameOfClass(search.class)),
                  onRemove: () => set({ class: undefined }),
                },
              ]
            : []),
          ...(search.state
            ? [
                {
                  text: text.stateIs(text.states.find(([key]) => key === search.state)?.[1] ?? ''),
                  onRemove: () => set({ state: undefined }),
                },
              ]
            : []),
        ]}
        onClear={() => set({ group: undefined, class: undefined, state: undefined })}
      />
      <Card isFlush>
        <Loaded reading={devices} height={480}>
          {(page) => {
            const isFiltered = Boolean(search.group || search.class);
            if (page.value.length === 0) {
              return isFiltered ? (
                <Empty icon={<DevicesIcon />} title={text.noneMatch} />
              ) : (
                <Empty icon={<DevicesIcon />} title={text.none}>
                  {text.noneHint}
                </Empty>
              );
            }
            const next = nextToken(page);
            return (
              <>
                <DeviceTable
                  devices={page.value}
                  nameOfClass={nameOfClass}
                  choice={{ chosen, onChange: setChosen, nameOf: (key) => key }}
                />
                <Pager
                  text={
                    chosen.size
                      ? text.chosen(chosen.size)
                      : text.shown(page.value.length, paging.depth * PAGE)
                  }
                  hasPrevious={paging.depth > 0}
                  hasNext={Boolean(next)}
                  onPrevious={paging.previous}
                  onNext={() => next && paging.next(next)}
                />
              </>
            );
          }}
        </Loaded>
      </Card>
      <span className="hidden">{words.live.live}</span>
    </Page>
  );
}

/** A token that is not known any more starts the list anew. */
function useExpiredToken(error: unknown, restart: () => void): void {
  useEffect(() => {
    if (error instanceof ApiError && error.problem?.target === 'token') {
      announce(text.unclear);
      restart();
    }
  }, [error, restart]);
}
