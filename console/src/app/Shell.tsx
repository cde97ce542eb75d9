/** The frame of every page: head, side, content. */

import { Outlet, useRouterState } from '@tanstack/react-router';
import { lazy, Suspense, useEffect, useRef, useState } from 'react';
import { Announcements } from '../design/announce';
import { words } from '../text/words';
import { rememberInstance } from './ChooseInstance';
import { Guarded } from './Guarded';
import { Head } from './Head';
import { useKeys } from './keys';
import { useFeed } from './live';
import { useInstance } from './me';
import css from './Shell.module.css';
import { Side } from './Side';

const KeyList = lazy(() => import('./KeyList').then(({ KeyList: page }) => ({ default: page })));

export function Shell() {
  const instance = useInstance();
  const [isListOpen, setListOpen] = useState(false);
  const drawer = useRef<HTMLDialogElement>(null);
  const path = useRouterState({ select: (state) => state.location.pathname });
  useFeed();
  useKeys(instance, () => setListOpen(true));
  useEffect(() => rememberInstance(instance), [instance]);
  // biome-ignore lint/correctness/useExhaustiveDependencies: another page closes the drawer
  useEffect(() => drawer.current?.close(), [path]);
  return (
    <div className={css.frame}>
      <a href="#content" className={css.skip}>
        {words.skip}
      </a>
      <Head onMenu={() => drawer.current?.showModal()} onKeys={() => setListOpen(true)} />
      <div className={css.body}>
        <div className={css.side}>
          <Side />
        </div>
        {/* biome-ignore lint/a11y/useKeyWithClickEvents: Escape closes a dialog by itself */}
        <dialog
          ref={drawer}
          className={css.drawer}
          aria-label="Pages"
          onClick={(event) => event.target === drawer.current && drawer.current.close()}
        >
          <Side />
        </dialog>
        <main id="content" className={css.content} tabIndex={-1}>
          <Guarded>
            <Outlet />
          </Guarded>
        </main>
      </div>
      <Announcements />
      {isListOpen && (
        <Suspense>
          <KeyList onClose={() => setListOpen(false)} />
        </Suspense>
      )}
    </div>
  );
}
