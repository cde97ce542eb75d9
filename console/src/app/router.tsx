/** Every address of the console. Filters are part of the address, checked here. */

import {
  createRootRoute,
  createRoute,
  createRouter,
  lazyRouteComponent,
} from '@tanstack/react-router';
import { Overview } from '../pages/overview/Overview';
import { devicesSearch, oneOf, optional, text } from './address';
import { ChooseInstance } from './ChooseInstance';
import { Failure, NotThere } from './fallbacks';
import { Shell } from './Shell';

const root = createRootRoute({ notFoundComponent: NotThere });

const home = createRoute({ getParentRoute: () => root, path: '/', component: ChooseInstance });

const shell = createRoute({
  getParentRoute: () => root,
  path: '/$instance',
  component: Shell,
  notFoundComponent: NotThere,
});

const overview = createRoute({ getParentRoute: () => shell, path: '/', component: Overview });

const deployments = createRoute({
  getParentRoute: () => shell,
  path: '/deployments',
  validateSearch: optional((search) => ({
    tab: oneOf('running', 'planned', 'finished')(search.tab),
    group: text(search.group),
  })),
  component: lazyRouteComponent(() => import('../pages/deployments/Deployments'), 'Deployments'),
});

const newDeployment = createRoute({
  getParentRoute: () => shell,
  path: '/deployments/new',
  validateSearch: optional((search) => ({
    update: text(search.update),
    group: text(search.group),
  })),
  component: lazyRouteComponent(
    () => import('../pages/new-deployment/NewDeployment'),
    'NewDeployment',
  ),
});

const deployment = createRoute({
  getParentRoute: () => shell,
  path: '/groups/$group/deployments/$deployment',
  validateSearch: optional((search) => ({
    state: oneOf('Failed', 'InProgress', 'Succeeded', 'Canceled')(search.state),
    class: text(search.class),
  })),
  component: lazyRouteComponent(
    () => import('../pages/deployment/DeploymentPage'),
    'DeploymentPage',
  ),
});

const updates = createRoute({
  getParentRoute: () => shell,
  path: '/updates',
  validateSearch: optional((search) => ({
    search: text(search.search),
    show: oneOf('all', 'deployable')(search.show),
  })),
  component: lazyRouteComponent(() => import('../pages/updates/Updates'), 'Updates'),
});

const importUpdate = createRoute({
  getParentRoute: () => shell,
  path: '/updates/import',
  component: lazyRouteComponent(() => import('../pages/import/ImportWizard'), 'ImportWizard'),
});

const importRun = createRoute({
  getParentRoute: () => shell,
  path: '/imports/$operation',
  component: lazyRouteComponent(() => import('../pages/import/ImportRun'), 'ImportRun'),
});

const update = createRoute({
  getParentRoute: () => shell,
  path: '/updates/$provider/$name/$version',
  component: lazyRouteComponent(() => import('../pages/update/UpdatePage'), 'UpdatePage'),
});

const devices = createRoute({
  getParentRoute: () => shell,
  path: '/devices',
  validateSearch: devicesSearch,
  component: lazyRouteComponent(() => import('../pages/devices/Devices'), 'Devices'),
});

const device = createRoute({
  getParentRoute: () => shell,
  path: '/devices/$device',
  validateSearch: optional((search) => ({
    module: text(search.module),
    update: text(search.update),
  })),
  component: lazyRouteComponent(() => import('../pages/device/DevicePage'), 'DevicePage'),
});

const exportRun = createRoute({
  getParentRoute: () => shell,
  path: '/exports/$operation',
  component: lazyRouteComponent(() => import('../pages/devices/ExportRun'), 'ExportRun'),
});

const groups = createRoute({
  getParentRoute: () => shell,
  path: '/groups',
  validateSearch: optional((search) => ({
    order: oneOf('name', 'devices', 'waiting', 'progress', 'latest')(search.order),
  })),
  component: lazyRouteComponent(() => import('../pages/groups/Groups'), 'Groups'),
});

const group = createRoute({
  getParentRoute: () => shell,
  path: '/groups/$group',
  component: lazyRouteComponent(() => import('../pages/group/GroupPage'), 'GroupPage'),
});

const diagnostics = createRoute({
  getParentRoute: () => shell,
  path: '/diagnostics',
  validateSearch: optional((search) => ({ device: text(search.device) })),
  component: lazyRouteComponent(() => import('../pages/diagnostics/Diagnostics'), 'Diagnostics'),
});

const collection = createRoute({
  getParentRoute: () => shell,
  path: '/diagnostics/$operation',
  component: lazyRouteComponent(() => import('../pages/diagnostics/Collection'), 'Collection'),
});

const operations = createRoute({
  getParentRoute: () => shell,
  path: '/operations',
  component: lazyRouteComponent(() => import('../pages/operations/Operations'), 'Operations'),
});

const audit = createRoute({
  getParentRoute: () => shell,
  path: '/audit',
  validateSearch: optional((search) => ({
    actor: text(search.actor),
    target: text(search.target),
  })),
  component: lazyRouteComponent(() => import('../pages/audit/Audit'), 'Audit'),
});

const auditEntry = createRoute({
  getParentRoute: () => shell,
  path: '/audit/$entry',
  component: lazyRouteComponent(() => import('../pages/audit/AuditEntry'), 'AuditEntry'),
});

const nowhere = createRoute({ getParentRoute: () => shell, path: '$', component: NotThere });

const tree = root.addChildren([
  home,
  shell.addChildren([
    overview,
    deployments,
    newDeployment,
    deployment,
    updates,
    importUpdate,
    importRun,
    update,
    devices,
    device,
    exportRun,
    groups,
    group,
    diagnostics,
    collection,
    audit,
    auditEntry,
    operations,
    nowhere,
  ]),
]);

export const router = createRouter({
  routeTree: tree,
  basepath: '/console',
  defaultPreload: 'intent',
  defaultPreloadDelay: 80,
  defaultErrorComponent: Failure,
  scrollRestoration: true,
});

declare module '@tanstack/react-router' {
  interface Register {
    router: typeof router;
  }
}
