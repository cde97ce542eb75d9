/** Every screen as each role sees it: what it may not do is there, disabled, and says who may. */

import type { Page } from '@playwright/test';
import { expect, type Role, settled, signInAs, stack, test } from './console';

type Action = 'content' | 'deploy' | 'operate' | 'audit' | 'manage';

/** What each role may do; everybody reads updates. `manage` is to see devices and groups. */
const MAY: Record<Exclude<Role, 'none'>, Action[]> = {
  Administrator: ['content', 'deploy', 'operate', 'audit', 'manage'],
  Reader: ['audit', 'manage'],
  ContentAdministrator: ['content'],
  ContentReader: [],
  DeploymentsAdministrator: ['deploy', 'manage'],
  DeploymentsReader: ['manage'],
  Approver: ['manage'],
};

interface Screen {
  path: string;
  /** Who sees it at all. */
  needs?: Action;
  /** The buttons on it that change something, and what they need. */
  buttons?: Record<string, Action>;
  /** A heading of something that not all see who see the page. */
  parts?: Record<string, Action>;
}

const SCREENS: Screen[] = [
  { path: '/', parts: { 'Needs attention': 'manage' } },
  { path: '/deployments', needs: 'manage' },
  { path: '/deployments/new', needs: 'manage', buttons: { 'Create the deployment': 'deploy' } },
  { path: '/updates' },
  { path: '/updates/import', buttons: { 'Upload and import': 'content' } },
  {
    path: '/updates/contoso/appliance/1.0',
    buttons: { Deploy: 'deploy', 'Make a delta': 'content', Recall: 'content', Delete: 'content' },
  },
  {
    path: '/devices',
    needs: 'manage',
    buttons: { Exclude: 'deploy', Retry: 'deploy', 'Collect logs': 'deploy' },
  },
  {
    path: '/devices/toaster-00',
    needs: 'manage',
    buttons: { 'Deploy to it': 'deploy', Exclude: 'deploy' },
  },
  { path: '/groups', needs: 'manage' },
  { path: '/groups/pilot', needs: 'manage' },
  { path: '/diagnostics', needs: 'manage', buttons: { Collect: 'deploy' } },
  { path: '/audit', needs: 'audit' },
  {
    path: '/operations',
    needs: 'manage',
    buttons: {
      'Read all devices again from the hub': 'deploy',
      'Scan what is published again': 'content',
    },
    parts: { Queues: 'operate' },
  },
];

const ROLE_FORBIDS = 'Your role does not allow this. It needs';

for (const role of Object.keys(MAY) as (keyof typeof MAY)[]) {
  test.describe(role, () => {
    // before the service has said what a role may do, a page asks for what it shows
    test.use({ expectsFailures: true });

    test('sees every screen as it may', async ({ page, signIn, visit }) => {
      const may = MAY[role];
      await signIn(role);
      await settled(page);
      const asked: string[] = [];
      page.on('response', (response) => {
        if (response.status() === 403) asked.push(response.url());
      });
      for (const { path, needs, buttons = {}, parts = {} } of SCREENS) {
        await test.step(path, async () => {
          await visit(path);
          const isShown = !needs || may.includes(needs);
          const refusal = page.getByText('Your role does not show this');
          if (!isShown) {
            await expect(refusal).toBeVisible();
            await expect(page.getByText(/^It needs .*\bAdministrator\b/)).toBeVisible();
            return;
          }
          for (const [name, action] of Object.entries(buttons)) {
            await expectAllowed(page, name, may.includes(action));
          }
          for (const [name, action] of Object.entries(parts)) {
            const part = page.getByRole('heading', { name, exact: true });
            await expect(part).toHaveCount(may.includes(action) ? 1 : 0);
            if (!may.includes(action)) await expect(refusal).toBeVisible();
          }
          if (Object.keys(parts).length === 0) await expect(refusal).toHaveCount(0);
        });
      }
      expect(asked, 'what is known to be refused is not asked for').toEqual([]);
    });
  });
}

/** A button that is there for all, and says why it does nothing for some. */
async function expectAllowed(page: Page, name: string, isAllowed: boolean): Promise<void> {
  const button = page.getByRole('main').getByRole('button', { name, exact: true });
  await expect(button).toBeVisible();
  if (isAllowed && (await button.getAttribute('aria-disabled')) !== 'true') return;
  await expect(button).toHaveAttribute('aria-disabled', 'true');
  await button.focus();
  const tip = page.getByRole('tooltip');
  // what its role allows may make no sense yet: then the page says that in its place
  if (isAllowed) await expect(tip).not.toContainText(ROLE_FORBIDS);
  else await expect(tip).toContainText(ROLE_FORBIDS);
  await button.blur();
  await expect(tip).toBeHidden();
}

test('somebody without a role is told so, wherever they come', async ({ page, open }) => {
  await page.goto(`${stack.endpoint}/console/`);
  await signInAs(page, 'none');
  await expect(page.getByText('You have no role here')).toBeVisible();
  for (const path of ['/', '/updates', '/devices', '/operations']) {
    await test.step(path, async () => {
      await open(path);
      await expect(page.getByText('You have no role here')).toBeVisible();
      await expect(page.getByRole('alert')).toHaveCount(0);
    });
  }
});

// before the service has said that somebody has no role, a page asks for what it shows
test.use({ expectsFailures: true });
