/** From an empty instance to the first device updated; each step ticks itself by what happened. */

import { useQuery } from '@tanstack/react-query';
import { Link } from '@tanstack/react-router';
import type { ReactNode } from 'react';
import { standingsQuery } from '../../api/deployments';
import { complianceQuery, groupsQuery, updatesQuery } from '../../api/queries';
import { live } from '../../app/live';
import { useInstance } from '../../app/me';
import { useSession } from '../../app/session';
import { Card } from '../../design/card';
import { StateIcon } from '../../design/state';
import css from './overview.module.css';

const text = {
  title: 'From here to the first device that is up to date',
  progress: (done: number) => `${done} of 5 done`,
  device: 'Connect a device',
  deviceHint:
    'A device appears here by itself once its agent reports through your IoT hub. Its twin needs the tag ADUGroup to have a group.',
  group: 'See its group',
  groupHint: 'Groups come from the tag ADUGroup of the devices’ twins.',
  import: 'Import an update',
  importHint: 'Files and an import manifest, which can be made on the way.',
  deploy: 'Deploy it',
  deployHint: 'Choose the update, the group and when.',
  watch: 'Watch it arrive',
  watchHint: 'The device reports each step; it is done when the update is installed.',
  open: 'Open',
};

export function FirstSteps({ hasDevices }: { hasDevices: boolean }) {
  const instance = useInstance();
  const { config } = useSession();
  const groups = useQuery({ ...groupsQuery(instance), ...live });
  const updates = useQuery({ ...updatesQuery(instance), ...live });
  const standings = useQuery({ ...standingsQuery(instance), ...live });
  const compliance = useQuery({ ...complianceQuery(instance), ...live });
  if (!groups.data || !updates.data || !standings.data || !compliance.data) return null;
  const hasGroup = groups.data.some((group) => group.deviceCount > 0);
  const isUpdated = standings.data.some((each) => each.counts.succeeded > 0);
  const steps: { title: string; hint: string; isDone: boolean; more?: ReactNode }[] = [
    {
      title: text.device,
      hint: text.deviceHint,
      isDone: hasDevices,
      more: config.isLocal && !hasDevices ? <pre>./odu fleet 3 --group pilot</pre> : null,
    },
    { title: text.group, hint: text.groupHint, isDone: hasGroup },
    {
      title: text.import,
      hint: text.importHint,
      isDone: updates.data.length > 0,
      more: (
        <Link to="/$instance/updates/import" params={{ instance }}>
          {text.open}
        </Link>
      ),
    },
    {
      title: text.deploy,
      hint: text.deployHint,
      isDone: standings.data.length > 0,
      more: (
        <Link to="/$instance/deployments/new" params={{ instance }}>
          {text.open}
        </Link>
      ),
    },
    { title: text.watch, hint: text.watchHint, isDone: isUpdated },
  ];
  const done = steps.filter((step) => step.isDone).length;
  if (done === steps.length) return null;
  const next = steps.findIndex((step) => !step.isDone);
  return (
    <Card title={text.title} side={text.progress(done)}>
      <ol className={css.steps}>
        {steps.map((step, index) => (
          <li key={step.title} className={css.step} data-now={index === next || undefined}>
            <h3>
              <StateIcon
                state={step.isDone ? 'Succeeded' : index === next ? 'InProgress' : 'None'}
              />
              {step.title}
              <span className="hidden">{step.isDone ? ': done' : ''}</span>
            </h3>
            <p className="small soft">{step.hint}</p>
            {!step.isDone && step.more}
          </li>
        ))}
      </ol>
    </Card>
  );
}
