/** What a role does not show: said in its place, with the roles that do, and without asking for it. */

import { useQuery } from '@tanstack/react-query';
import { useMatches } from '@tanstack/react-router';
import type { ReactNode } from 'react';
import { Card, Empty } from '../design/card';
import { PersonIcon } from '../design/icons';
import { Page } from '../design/page';
import { words } from '../text/words';
import { type Action, meQuery, useInstance, useMay } from './me';

declare module '@tanstack/react-router' {
  interface StaticDataRouteOption {
    /** What somebody must be allowed to do for the page to make sense. */
    needs?: Action;
    /** Its name, for those who may not see it. */
    called?: string;
  }
}

export function Guarded({ children }: { children: ReactNode }) {
  const page = useMatches({ select: (matches) => matches.at(-1)?.staticData });
  const instance = useInstance();
  const me = useQuery(meQuery);
  const may = useMay(page?.needs ?? 'updates/read');
  if (me.data && !me.data.instances.some((each) => each.id === instance)) {
    return (
      <Page title={page?.called ?? words.product}>
        <Card>
          <Empty icon={<PersonIcon />} title={words.errors.noRole}>
            {words.errors.askForOne(me.data.name ?? '')}
          </Empty>
        </Card>
      </Page>
    );
  }
  if (!page?.needs || may.isAllowed || !may.isKnown) return children;
  return (
    <Page title={page.called ?? words.product}>
      <Card>
        <NotShown action={page.needs} />
      </Card>
    </Page>
  );
}

export function NotShown({ action }: { action: Action }) {
  const { roles } = useMay(action);
  return (
    <Empty icon={<PersonIcon />} title={words.errors.notShown}>
      {words.errors.needs(roles)}
    </Empty>
  );
}
