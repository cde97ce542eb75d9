/** The devices: filters in the address, a page of the server at a time. */

import { useQuery } from '@tanstack/react-query';
import { getRouteApi } from '@tanstack/react-router';
import { useEffect, useState } from 'react';
import { nextToken } from '../../api/client';
import type { DeviceFilter } from '../../api/device-filter';
import { deviceCountQuery, devicesQuery } from '../../api/devices';
import { ApiError } from '../../api/errors';
import { classesQuery, className } from '../../api/queries';
import { live } from '../../app/live';
import { useInstance } from '../../app/me';
import { announce } from '../../design/announce';
import { Card, Empty, Loaded } from '../../design/card';
import { DevicesIcon } from '../../design/icons';
import { Page } from '../../design/page';
import { usePaging } from '../../design/paging';
import { Pager } from '../../design/table';
import { Bulk, keyOf } from './Bulk';
import { DeviceFilters, DeviceTags } from './DeviceFilters';
import { DeviceTable } from './DeviceTable';
import { Export } from './Export';
import { text } from './text';

const route = getRouteApi('/$instance/devices');
const PAGE = 100;

export function Devices() {
  const instance = useInstance();
  const filter: DeviceFilter = route.useSearch();
  const navigate = route.useNavigate();
  const paging = usePaging();
  const [chosen, setChosen] = useState<Set<string>>(new Set());
  const devices = useQuery({ ...devicesQuery(instance, filter, paging.token), ...live });
  const classes = useQuery(classesQuery(instance));
  useExpiredToken(devices.error, paging.restart);

  const set = (change: DeviceFilter) => {
    setChosen(new Set());
    navigate({ search: (old) => ({ ...old, ...change }) });
  };
  const nameOfClass = (id: string) =>
    className(
      classes.data?.find((each) => each.deviceClassId === id),
      id,
    );
  const rows = devices.data?.value ?? [];

  return (
    <Page
      title={text.title}
      state={<Total filter={filter} />}
      actions={<Export filter={filter} isEmpty={devices.data?.value.length === 0} />}
    >
      <DeviceFilters
        filter={filter}
        classes={(classes.data ?? []).map((each) => ({
          id: each.deviceClassId,
          name: className(each, each.deviceClassId),
        }))}
        actions={
          <Bulk
            chosen={rows.filter((each) => chosen.has(keyOf(each)))}
            onDone={() => setChosen(new Set())}
          />
        }
        onChange={set}
      />
      <DeviceTags filter={filter} nameOfClass={nameOfClass} onChange={set} />
      <Card isFlush>
        <Loaded reading={devices} height={480}>
          {(page) => {
            if (page.value.length === 0) {
              const isFiltered = Object.values(filter).some(Boolean);
              return (
                <Empty icon={<DevicesIcon />} title={isFiltered ? text.noneMatch : text.none}>
                  {isFiltered ? null : text.noneHint}
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
                      : text.rows(page.value.length, paging.depth * PAGE, !next)
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
    </Page>
  );
}

/** How many devices there are, and how many of them the filter means where counters know it. */
function Total({ filter }: { filter: DeviceFilter }) {
  const instance = useInstance();
  const isFiltered = Object.values(filter).some(Boolean);
  const all = useQuery({ ...deviceCountQuery(instance, {}), ...live });
  const matching = useQuery({
    ...deviceCountQuery(instance, filter),
    ...live,
    enabled: isFiltered,
  });
  const total = all.data?.deviceCount;
  if (total === undefined || total === null) return null;
  const part = isFiltered ? matching.data?.deviceCount : undefined;
  return (
    <span className="soft">
      {part === undefined || part === null ? text.inAll(total) : text.matching(part, total)}
    </span>
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
