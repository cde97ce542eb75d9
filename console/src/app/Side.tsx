/** The pages of an instance. */

import { Link, useRouterState } from '@tanstack/react-router';
import type { ReactNode } from 'react';
import {
  AuditIcon,
  DeploymentsIcon,
  DevicesIcon,
  DiagnosticsIcon,
  GroupsIcon,
  OperationsIcon,
  OverviewIcon,
  UpdatesIcon,
} from '../design/icons';
import { words } from '../text/words';
import { useInstance } from './me';
import css from './Shell.module.css';

type Target =
  | '/$instance'
  | '/$instance/deployments'
  | '/$instance/updates'
  | '/$instance/devices'
  | '/$instance/groups'
  | '/$instance/diagnostics'
  | '/$instance/audit'
  | '/$instance/operations';

const ITEMS: { to: Target; icon: ReactNode; text: string }[] = [
  { to: '/$instance', icon: <OverviewIcon />, text: words.nav.overview },
  { to: '/$instance/deployments', icon: <DeploymentsIcon />, text: words.nav.deployments },
  { to: '/$instance/updates', icon: <UpdatesIcon />, text: words.nav.updates },
  { to: '/$instance/devices', icon: <DevicesIcon />, text: words.nav.devices },
  { to: '/$instance/groups', icon: <GroupsIcon />, text: words.nav.groups },
  { to: '/$instance/diagnostics', icon: <DiagnosticsIcon />, text: words.nav.diagnostics },
  { to: '/$instance/audit', icon: <AuditIcon />, text: words.nav.audit },
  { to: '/$instance/operations', icon: <OperationsIcon />, text: words.nav.operations },
];

export function Side() {
  const instance = useInstance();
  const path = useRouterState({ select: (state) => state.location.pathname });
  const here = placeOf(path.split('/').slice(2));
  return (
    <nav className={css.nav} aria-label="Pages">
      {ITEMS.map((item) => (
        <Link
          key={item.to}
          to={item.to}
          params={{ instance }}
          activeOptions={{ exact: true, includeSearch: false }}
          aria-current={item.to === here ? 'page' : undefined}
        >
          {item.icon}
          {item.text}
        </Link>
      ))}
    </nav>
  );
}

/** The page that an address belongs to: deployments lie below their groups. */
function placeOf(parts: string[]): Target | null {
  const [first] = parts;
  if (!first) return '/$instance';
  if (first === 'groups' && parts[2] === 'deployments') return '/$instance/deployments';
  if (first === 'imports') return '/$instance/updates';
  return ITEMS.find((item) => item.to === `/$instance/${first}`)?.to ?? null;
}
