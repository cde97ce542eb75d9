/** Every address of the console. Filters are part of the address, checked here. */

import {
  createRootRoute,
  createRoute,
  createRouter,
  lazyRouteComponent,
} from '@tanstack/react-router';
import { complianceQuery } from '../api/queries';
import { Overview } from '../pages/overview/Overview';
import { devicesSearch, oneOf, optional, text } from './address';
import { ChooseInstance } from './ChooseInstance';
import { Failure, NotThere } from './fallbacks';
import { isForbidden, meQuery } from './me';
import { queryClient } from './query-client';
import { Shell } from './Shell';

const root = createRootRoute({ notFoundComponent: NotThere });

const home = createRoute({ getParentRoute: () => root, path: '/', component: ChooseInstance });

const shell = createRoute({
  getParentRoute: () => root,
  path: '/$instance',
  loader: () => {
    queryClient.prefetchQuery(meQuery);
  },
  component: Shell,
  notFoundComponent: NotThere,
});

const overview = createRoute({
  getParentRoute: () => shell,
  path: '/',
  loader: ({ params: { instance } }) => {
    if (!isForbidden(queryClient, instance, 'management/read')) {
      queryClient.prefetchQuery(complianceQuery(instance)); // its figure is the first on the page
    }
  },
  component: Overview,
});

const deployments = createRoute({
  getParentRoute: () => shell,
  path: '/deployments',
  staticData: { needs: 'management/read', called: 'Deployments' },
  validateSearch: optional((search) => ({
    tab: oneOf('running', 'planned', 'finished')(search.tab),
    group: text(search.group),
  })),
  component: lazyRouteComponent(() => import('../pages/deployments/Deployments'), 'Deployments'),
});

const newDeployment = createRoute({
  getParentRoute: () => shell,
  path: '/deployments/new',
  staticData: { needs: 'management/read', called: 'New deployment' },
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
  staticData: { needs: 'management/read', called: 'Deployment' },
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
  staticData: { needs: 'updates/read', called: 'Updates' },
  validateSearch: optional((search) => ({
    search: text(search.search),
    show: oneOf('all', 'deployable')(search.show),
  })),
  component: lazyRouteComponent(() => import('../pages/updates/Updates'), 'Updates'),
});

const importUpdate = createRoute({
  getParentRoute: () => shell,
  path: '/updates/import',
  staticData: { needs: 'updates/read', called: 'Import an update' },
  component: lazyRouteComponent(() => import('../pages/import/ImportWizard'), 'ImportWizard'),
});

const importRun = createRoute({
  getParentRoute: () => shell,
  path: '/imports/$operation',
  staticData: { needs: 'updates/read', called: 'Import' },
  component: lazyRouteComponent(() => import('../pages/import/ImportRun'), 'ImportRun'),
});

const update = createRoute({
  getParentRoute: () => shell,
  path: '/updates/$provider/$name/$version',
  staticData: { needs: 'updates/read', called: 'Update' },
  component: lazyRouteComponent(() => import('../pages/update/UpdatePage'), 'UpdatePage'),
});

const devices = createRoute({
  getParentRoute: () => shell,
  path: '/devices',
  staticData: { needs: 'management/read', called: 'Devices' },
  validateSearch: devicesSearch,
  component: lazyRouteComponent(() => import('../pages/devices/Devices'), 'Devices'),
});

const device = createRoute({
  getParentRoute: () => shell,
  path: '/devices/$device',
  staticData: { needs: 'management/read', called: 'Device' },
  validateSearch: optional((search) => ({
    module: text(search.module),
    update: text(search.update),
  })),
  component: lazyRouteComponent(() => import('../pages/device/DevicePage'), 'DevicePage'),
});

const exportRun = createRoute({
  getParentRoute: () => shell,
  path: '/exports/$operation',
  staticData: { needs: 'management/read', called: 'Export of devices' },
  component: lazyRouteComponent(() => import('../pages/devices/ExportRun'), 'ExportRun'),
});

const groups = createRoute({
  getParentRoute: () => shell,
  path: '/groups',
  staticData: { needs: 'management/read', called: 'Groups' },
  validateSearch: optional((search) => ({
    order: oneOf('name', 'devices', 'waiting', 'progress', 'latest')(search.order),
  })),
  component: lazyRouteComponent(() => import('../pages/groups/Groups'), 'Groups'),
});

const group = createRoute({
  getParentRoute: () => shell,
  path: '/groups/$group',
  staticData: { needs: 'management/read', called: 'Group' },
  component: lazyRouteComponent(() => import('../pages/group/GroupPage'), 'GroupPage'),
});

const diagnostics = createRoute({
  getParentRoute: () => shell,
  path: '/diagnostics',
  staticData: { needs: 'management/read', called: 'Diagnostics' },
  validateSearch: optional((search) => ({ device: text(search.device) })),
  component: lazyRouteComponent(() => import('../pages/diagnostics/Diagnostics'), 'Diagnostics'),
});

const collection = createRoute({
  getParentRoute: () => shell,
  path: '/diagnostics/$operation',
  staticData: { needs: 'management/read', called: 'Log collection' },
  component: lazyRouteComponent(() => import('../pages/diagnostics/Collection'), 'Collection'),
});

const operations = createRoute({
  getParentRoute: () => shell,
  path: '/operations',
  staticData: { needs: 'management/read', called: 'Operations' },
  component: lazyRouteComponent(() => import('../pages/operations/Operations'), 'Operations'),
});

const audit = createRoute({
  getParentRoute: () => shell,
  path: '/audit',
  staticData: { needs: 'audit/read', called: 'Audit' },
  validateSearch: optional((search) => ({
    actor: text(search.actor),
    target: text(search.target),
  })),
  component: lazyRouteComponent(() => import('../pages/audit/Audit'), 'Audit'),
});

const auditEntry = createRoute({
  getParentRoute: () => shell,
  path: '/audit/$entry',
  staticData: { needs: 'audit/read', called: 'Audit entry' },
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
