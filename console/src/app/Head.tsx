/** The head: instance, search, sign of life, theme, who is signed in. */

import {
  Button,
  Menu,
  MenuItem,
  MenuItemRadio,
  MenuList,
  MenuPopover,
  MenuTrigger,
  Tooltip,
} from '@fluentui/react-components';
import { useQuery } from '@tanstack/react-query';
import { Link, useNavigate } from '@tanstack/react-router';
import { useFreshness } from '../api/freshness';
import { useNow } from '../design/clock';
import { DarkIcon, DownIcon, LightIcon, MenuIcon, PersonIcon } from '../design/icons';
import { duration } from '../text/format';
import { words } from '../text/words';
import { LIVE_MS } from './live';
import { meQuery, useInstance } from './me';
import { Search } from './Search';
import { useSession } from './session';
import css from './Shell.module.css';
import { toggleTheme, useTheme } from './theme';

export function Head({ onMenu, onKeys }: { onMenu: () => void; onKeys: () => void }) {
  const instance = useInstance();
  const theme = useTheme();
  return (
    <header className={css.head}>
      <div className={css.menu}>
        <Button appearance="subtle" icon={<MenuIcon />} aria-label="Pages" onClick={onMenu} />
      </div>
      <Link to="/$instance" params={{ instance }} className={css.brand}>
        <img src={`${import.meta.env.BASE_URL}icon.svg`} alt="" width="24" height="24" />
        <span>{words.product}</span>
      </Link>
      <Instances />
      <Search />
      <div className={css.tools}>
        <SignOfLife />
        <Tooltip content={theme === 'dark' ? 'Light' : 'Dark'} relationship="inaccessible">
          <Button
            appearance="subtle"
            icon={theme === 'dark' ? <LightIcon /> : <DarkIcon />}
            aria-label={theme === 'dark' ? 'Use the light theme' : 'Use the dark theme'}
            onClick={toggleTheme}
          />
        </Tooltip>
        <Account onKeys={onKeys} />
      </div>
    </header>
  );
}

function Instances() {
  const instance = useInstance();
  const navigate = useNavigate();
  const { data } = useQuery(meQuery);
  const names = data?.instances.map((each) => each.id) ?? [instance];
  if (names.length < 2) return <span className="oneline">{instance}</span>;
  const choose = (name: string) => navigate({ to: '/$instance', params: { instance: name } });
  return (
    <Menu
      checkedValues={{ instance: [instance] }}
      onCheckedValueChange={(_, { checkedItems }) => choose(checkedItems[0] ?? instance)}
    >
      <MenuTrigger>
        <Button appearance="subtle" icon={<DownIcon />} iconPosition="after" aria-label={`Instance ${instance}`}>
          {instance}
        </Button>
      </MenuTrigger>
      <MenuPopover>
        <MenuList>
          {names.map((name) => (
            <MenuItemRadio key={name} name="instance" value={name}>
              {name}
            </MenuItemRadio>
          ))}
        </MenuList>
      </MenuPopover>
    </Menu>
  );
}

/** How old the newest of what is shown is at most. */
function SignOfLife() {
  const { heardAt, isLost } = useFreshness();
  useNow(1);
  const age = Math.max(0, (Date.now() - heardAt) / 1000);
  const isDelayed = age > (2.5 * LIVE_MS) / 1000;
  const look = isLost ? css.isOffline : isDelayed ? css.isDelayed : css.isLive;
  const { live } = words;
  const state = isLost ? live.offline : isDelayed ? live.delayed(duration(age)) : live.live;
  return (
    <span className={css.live} title={live.title(duration(age))}>
      <span className={`${css.dot} ${look}`} aria-hidden="true" />
      <span aria-live="polite">{state}</span>
      {!isDelayed && <span className={css.age}>{duration(age)}</span>}
    </span>
  );
}

function Account({ onKeys }: { onKeys: () => void }) {
  const { auth } = useSession();
  const { data } = useQuery(meQuery);
  const name = data?.name ?? auth.account?.username ?? '';
  return (
    <Menu>
      <MenuTrigger>
        <Button appearance="subtle" icon={<PersonIcon />} aria-label={`Account: ${name}`} />
      </MenuTrigger>
      <MenuPopover>
        <MenuList>
          <MenuItem disabled>{name}</MenuItem>
          <MenuItem onClick={onKeys}>Keyboard</MenuItem>
          <MenuItem onClick={() => window.open('/openapi', '_blank', 'noopener')}>REST API</MenuItem>
          <MenuItem onClick={() => auth.signOut()}>{words.actions.signOut}</MenuItem>
        </MenuList>
      </MenuPopover>
    </Menu>
  );
}
