/** How the whole instance stands: compliance, what needs attention, what moves. */

import { useQuery } from '@tanstack/react-query';
import { Link } from '@tanstack/react-router';
import { HISTORY_MS, historyOfCompliance } from '../../api/fleet';
import { complianceQuery } from '../../api/queries';
import { NotShown } from '../../app/Guarded';
import { live } from '../../app/live';
import { useInstance, useMay } from '../../app/me';
import { ButtonLink } from '../../design/actions';
import { Legend, type Part, StackedBar } from '../../design/bars';
import { Card, Grid, Loaded } from '../../design/card';
import { AddIcon, ImportIcon } from '../../design/icons';
import { Page } from '../../design/page';
import { Trend } from '../../design/trend';
import { count, percent } from '../../text/format';
import { words } from '../../text/words';
import { Attention } from './Attention';
import { FirstSteps } from './FirstSteps';
import { GroupShares } from './GroupShares';
import { InstalledMost } from './InstalledMost';
import { LatestImports } from './LatestImports';
import { LiveDeployments } from './LiveDeployments';
import css from './overview.module.css';
import { text } from './text';

export function Overview() {
  const instance = useInstance();
  const may = useMay('management/read');
  if (may.isKnown && !may.isAllowed) {
    return (
      <Page title={text.title} actions={<Actions instance={instance} />}>
        <Grid>
          <Card title={text.compliance} span={6}>
            <NotShown action="management/read" />
          </Card>
          <LatestImports />
        </Grid>
      </Page>
    );
  }
  return <Fleet />;
}

function Fleet() {
  const instance = useInstance();
  const compliance = useQuery({ ...complianceQuery(instance), ...live });
  const isEmpty = compliance.data?.totalDeviceCount === 0;
  if (isEmpty) {
    return (
      <Page title={text.title} actions={<Actions instance={instance} />}>
        <FirstSteps hasDevices={false} />
        <Grid>
          <LatestImports />
          <InstalledMost />
        </Grid>
      </Page>
    );
  }
  return (
    <Page title={text.title} actions={<Actions instance={instance} />}>
      <FirstSteps hasDevices={(compliance.data?.totalDeviceCount ?? 1) > 0} />
      <Grid>
        <Card title={text.compliance} span={8} side={<ByGroup instance={instance} />}>
          <Loaded reading={compliance} height={200}>
            {(data) => <Compliance {...data} instance={instance} />}
          </Loaded>
        </Card>
        <Attention />
        <LiveDeployments />
        <LatestImports />
        <InstalledMost />
        <GroupShares />
      </Grid>
    </Page>
  );
}

function Actions({ instance }: { instance: string }) {
  return (
    <>
      <ButtonLink to="/$instance/deployments/new" params={{ instance }} isMain>
        <AddIcon /> {words.actions.newDeployment}
      </ButtonLink>
      <ButtonLink to="/$instance/updates/import" params={{ instance }}>
        <ImportIcon /> {words.actions.importUpdate}
      </ButtonLink>
    </>
  );
}

const ByGroup = ({ instance }: { instance: string }) => (
  <Link to="/$instance/groups" params={{ instance }}>
    {text.byGroup}
  </Link>
);

function Compliance({
  instance,
  totalDeviceCount,
  onLatestUpdateDeviceCount,
  newUpdatesAvailableDeviceCount,
  updatesInProgressDeviceCount,
}: {
  instance: string;
  totalDeviceCount: number;
  onLatestUpdateDeviceCount: number;
  newUpdatesAvailableDeviceCount: number;
  updatesInProgressDeviceCount: number;
}) {
  const history = useQuery({ ...historyOfCompliance(instance), staleTime: HISTORY_MS });
  const parts: Part[] = [
    { tone: 'ok', value: onLatestUpdateDeviceCount, label: text.onLatest },
    { tone: 'run', value: updatesInProgressDeviceCount, label: text.inProgress },
    { tone: 'wait', value: newUpdatesAvailableDeviceCount, label: text.available },
  ];
  return (
    <div className={css.compliance}>
      <div className={css.top}>
        <div className={css.share}>
          <span className={css.big}>{percent(onLatestUpdateDeviceCount, totalDeviceCount)}</span>
          <p>{text.share(count(totalDeviceCount))}</p>
        </div>
        <Trend history={history.data} />
      </div>
      <div className={css.parts}>
        <StackedBar parts={parts} total={totalDeviceCount} label={text.compliance} />
        <Legend parts={parts} total={totalDeviceCount} />
      </div>
    </div>
  );
}
