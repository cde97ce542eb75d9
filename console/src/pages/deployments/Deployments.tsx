/** All deployments: those that run, those to come, those that are over. */

import { useQuery } from '@tanstack/react-query';
import { getRouteApi } from '@tanstack/react-router';
import { standingsQuery } from '../../api/deployments';
import { live } from '../../app/live';
import { useInstance } from '../../app/me';
import { ButtonLink } from '../../design/actions';
import { Card, Empty, Loaded } from '../../design/card';
import { Choose, Filters, Tabs, Tags } from '../../design/filters';
import { AddIcon, DeploymentsIcon } from '../../design/icons';
import { Page } from '../../design/page';
import { words } from '../../text/words';
import { DeploymentTable } from './DeploymentTable';
import { text } from './text';

const route = getRouteApi('/$instance/deployments');
const KINDS = ['running', 'planned', 'finished'] as const;
const NONE = { running: text.noneRunning, planned: text.nonePlanned, finished: text.noneFinished };

export function Deployments() {
  const instance = useInstance();
  const { tab, group } = route.useSearch();
  const navigate = route.useNavigate();
  const standings = useQuery({ ...standingsQuery(instance), ...live });
  const all = standings.data ?? [];
  const inGroup = group ? all.filter((each) => each.deployment.groupId === group) : all;
  const kind = tab ?? 'running';
  const groups = [...new Set(all.map((each) => each.deployment.groupId))].sort();
  const set = (change: { tab?: typeof tab; group?: string }) =>
    navigate({ search: (old) => ({ ...old, ...change }), replace: true });
  return (
    <Page
      title={text.title}
      actions={
        <ButtonLink to="/$instance/deployments/new" params={{ instance }} isMain>
          <AddIcon /> {words.actions.newDeployment}
        </ButtonLink>
      }
    >
      <Filters
        side={
          groups.length > 1 && (
            <Choose
              label={text.allGroups}
              value={group}
              options={groups.map((each) => [each, each] as const)}
              onChange={(value) => set({ group: value })}
            />
          )
        }
      >
        <Tabs
          label={text.title}
          tabs={KINDS.map((each) => ({
            key: each,
            text: text.tabs[each],
            count: inGroup.filter((one) => one.kind === each).length,
          }))}
          current={kind}
          onChange={(key) => set({ tab: key })}
        />
      </Filters>
      <Tags
        tags={
          group
            ? [{ text: `${text.group}: ${group}`, onRemove: () => set({ group: undefined }) }]
            : []
        }
        onClear={() => set({ group: undefined })}
      />
      <Card isFlush>
        <Loaded reading={standings} height={240}>
          {() => {
            const rows = inGroup.filter((each) => each.kind === kind);
            if (rows.length > 0)
              return <DeploymentTable label={text.tabs[kind]} standings={rows} />;
            return (
              <Empty icon={<DeploymentsIcon />} title={NONE[kind]}>
                {text.noneHint}
              </Empty>
            );
          }}
        </Loaded>
      </Card>
    </Page>
  );
}
