/** The head of a page: where it is, what it is called, how it stands and what can be done. */

import { Link, type LinkProps, useRouterState } from '@tanstack/react-router';
import { type ReactNode, useEffect, useRef } from 'react';
import { words } from '../text/words';
import { RightIcon } from './icons';
import css from './page.module.css';

export interface Crumb {
  text: string;
  link: LinkProps;
}

export function Page({
  title,
  heading,
  state,
  crumbs,
  actions,
  children,
}: {
  /** Of the document, and the heading unless that is given. */
  title: string;
  heading?: ReactNode;
  state?: ReactNode;
  crumbs?: Crumb[];
  actions?: ReactNode;
  children: ReactNode;
}) {
  const ref = useFocusOnArrival();
  useEffect(() => {
    document.title = `${title} · ${words.product}`;
  }, [title]);
  return (
    <>
      <header className={css.head}>
        <div className={css.names}>
          {crumbs && <Crumbs crumbs={crumbs} />}
          <div className={css.title}>
            <h1 ref={ref} tabIndex={-1} className="anywhere">
              {heading ?? title}
            </h1>
            {state}
          </div>
        </div>
        {actions && <div className={css.actions}>{actions}</div>}
      </header>
      <div className={css.content}>{children}</div>
    </>
  );
}

function Crumbs({ crumbs }: { crumbs: Crumb[] }) {
  return (
    <nav aria-label="Where this is" className={css.crumbs}>
      <ol>
        {crumbs.map((crumb, index) => (
          <li key={crumb.text}>
            {index > 0 && <RightIcon aria-hidden="true" />}
            <Link {...crumb.link}>{crumb.text}</Link>
          </li>
        ))}
      </ol>
    </nav>
  );
}

/** Move the focus to the heading of a page that was led to, so that it is read out. */
function useFocusOnArrival() {
  const ref = useRef<HTMLHeadingElement>(null);
  const path = useRouterState({ select: (state) => state.location.pathname });
  const seen = useRef(path);
  useEffect(() => {
    if (arrived && seen.current) ref.current?.focus({ preventScroll: true });
    arrived = true;
    seen.current = path;
  }, [path]);
  return ref;
}

/** The first page of a visit leaves the focus where the browser has it. */
let arrived = false;

/** Something that must be known before all else on a page: a pause, a wait, a recall. */
export function Banner({
  tone,
  icon,
  children,
  actions,
}: {
  tone: 'warn' | 'bad' | 'run';
  icon: ReactNode;
  children: ReactNode;
  actions?: ReactNode;
}) {
  return (
    <div className={`${css.banner} ${css[tone]}`} role="status">
      <span className={css.bannerIcon} aria-hidden="true">
        {icon}
      </span>
      <div className={css.bannerText}>{children}</div>
      {actions && <div className={css.actions}>{actions}</div>}
    </div>
  );
}
