/** The head: instance, search, sign of life, theme, who is signed in. */

import { Button } from '@fluentui/react-components';
import { Link } from '@tanstack/react-router';
import { useFreshness } from '../api/freshness';
import { useNow } from '../design/clock';
import { DarkIcon, LightIcon, MenuIcon } from '../design/icons';
import { duration } from '../text/format';
import { words } from '../text/words';
import { LIVE_MS } from './live';
import { Account, Instances } from './Menus';
import { useInstance } from './me';
import { Search } from './Search';
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
        <Button
          appearance="subtle"
          icon={theme === 'dark' ? <LightIcon /> : <DarkIcon />}
          aria-label={theme === 'dark' ? 'Use the light theme' : 'Use the dark theme'}
          onClick={toggleTheme}
        />
        <Account onKeys={onKeys} />
      </div>
    </header>
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
