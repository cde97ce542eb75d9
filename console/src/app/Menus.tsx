/** The choices of the head: which instance, who is signed in. */

import { Button } from '@fluentui/react-components';
import { useQuery } from '@tanstack/react-query';
import { useNavigate } from '@tanstack/react-router';
import { useRef } from 'react';
import { PersonIcon } from '../design/icons';
import { words } from '../text/words';
import css from './Menus.module.css';
import { meQuery, useInstance } from './me';
import { useSession } from './session';

export function Instances() {
  const instance = useInstance();
  const navigate = useNavigate();
  const { data } = useQuery(meQuery);
  const names = data?.instances.map((each) => each.id) ?? [instance];
  if (names.length < 2) return <span className="oneline">{instance}</span>;
  return (
    <select
      className={css.instances}
      aria-label="Instance"
      value={instance}
      onChange={(event) => navigate({ to: '/$instance', params: { instance: event.target.value } })}
    >
      {names.map((name) => (
        <option key={name}>{name}</option>
      ))}
    </select>
  );
}

const POPOVER = 'account';

export function Account({ onKeys }: { onKeys: () => void }) {
  const { auth } = useSession();
  const { data } = useQuery(meQuery);
  const popover = useRef<HTMLDivElement>(null);
  const name = data?.name ?? auth.account?.username ?? '';
  return (
    <>
      <Button
        appearance="subtle"
        icon={<PersonIcon />}
        aria-label={`Account: ${name}`}
        popoverTarget={POPOVER}
      />
      <div id={POPOVER} ref={popover} popover="auto" className={css.account}>
        <p className={css.name}>{name}</p>
        <p className="small soft">{data?.roles.join(', ')}</p>
        <button
          type="button"
          onClick={() => {
            popover.current?.hidePopover();
            onKeys();
          }}
        >
          {words.account.keys}
        </button>
        <a href="/openapi" target="_blank" rel="noopener">
          {words.account.api}
        </a>
        <button type="button" onClick={() => auth.signOut()}>
          {words.actions.signOut}
        </button>
      </div>
    </>
  );
}
