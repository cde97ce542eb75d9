/** The devices of a deployment, of one class and one state at a time, as the server lists them. */

import { useQuery } from '@tanstack/react-query';
import { getRouteApi } from '@tanstack/react-router';
import { nextToken, type Schemas } from '../../api/client';
import { deviceStatesQuery } from '../../api/devices';
import { live } from '../../app/live';
import { useInstance } from '../../app/me';
import { Card, Empty, Loaded } from '../../design/card';
import { DeviceName } from '../../design/device';
import { Choose } from '../../design/filters';
import { DevicesIcon } from '../../design/icons';
import { useLocalPaging } from '../../design/paging';
import { StateLabel } from '../../design/state';
import { type Column, Pager, Table } from '../../design/table';
import { Foreign } from '../../design/text';
import { count } from '../../text/format';
import { words } from '../../text/words';
import css from './deployment.module.css';
import { text } from './text';

type Row = Schemas['DeploymentDeviceState'];
const STATES = ['Failed', 'InProgress', 'Succeeded', 'Canceled'] as const;
const PAGE = 100;
const route = getRouteApi('/$instance/groups/$group/deployments/$deployment');

export function DeviceStates({
  classes,
  nameOfClass,
}: {
  classes: string[];
  nameOfClass: (id: string) => string;
}) {
  const instance = useInstance();
  const { group, deployment } = route.useParams();
  const search = route.useSearch();
  const navigate = route.useNavigate();
  const paging = useLocalPaging();
  const chosen = search.class ?? classes[0];
  const of = { group, class: chosen ?? '', deployment, state: search.state };
  const states = useQuery({
    ...deviceStatesQuery(instance, of, paging.token),
    ...live,
    enabled: Boolean(chosen),
  });
  const set = (change: typeof search) => {
    paging.restart();
    navigate({ search: (old) => ({ ...old, ...change }), resetScroll: false });
  };
  if (!chosen) return null;
  return (
    <Card title={text.list} isFlush>
      <div className={css.tools}>
        {classes.length > 1 && (
          <Choose
            label={text.ofClass}
            value={chosen}
            options={classes.map((each) => [each, nameOfClass(each)] as const)}
            onChange={(value) => set({ class: value })}
          />
        )}
        <Choose
          label={text.allStates}
          value={search.state}
          options={STATES.map((each) => [each, words.states[each]] as const)}
          onChange={(value) => set({ state: STATES.find((each) => each === value) })}
        />
      </div>
      <Loaded reading={states} height={200}>
        {(page) => {
          if (page.value.length === 0) return <Empty icon={<DevicesIcon />} title={text.noRows} />;
          const next = nextToken(page);
          return (
            <>
              <Table
                label={text.list}
                columns={COLUMNS}
                rows={page.value}
                keyOf={(row) => `${row.deviceId}/${row.moduleId ?? ''}`}
              />
              <Pager
                text={text.shown(page.value.length, paging.depth * PAGE)}
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
  );
}

const COLUMNS: Column<Row>[] = [
  {
    head: text.device,
    narrow: 'title',
    cell: (row) => <DeviceName of={row} />,
  },
  { head: text.state, narrow: 'state', cell: (row) => <StateLabel state={row.deviceState} /> },
  {
    head: text.why,
    narrow: 'line',
    grows: true,
    cell: (row) =>
      row.movedOnToNewDeployment ? (
        <span className="soft">{text.movedOn}</span>
      ) : (
        row.failure && <Foreign atMost={300}>{row.failure.message}</Foreign>
      ),
  },
  { head: text.tries, isNumber: true, cell: (row) => count(row.retryCount + 1) },
];
