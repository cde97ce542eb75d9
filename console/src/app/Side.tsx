/** The pages of an instance. */

import { Link } from '@tanstack/react-router';
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
  return (
    <nav className={css.nav} aria-label="Pages">
      {ITEMS.map((item) => (
        <Link
          key={item.to}
          to={item.to}
          params={{ instance }}
          activeOptions={{ exact: item.to === '/$instance', includeSearch: false }}
          activeProps={{ 'aria-current': 'page' }}
        >
          {item.icon}
          {item.text}
        </Link>
      ))}
    </nav>
  );
}
