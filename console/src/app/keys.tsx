/** The keys of the console, which may be switched off (WCAG 2.1.4), and the list of them. */

import {
  Button,
  Dialog,
  DialogActions,
  DialogBody,
  DialogContent,
  DialogSurface,
  DialogTitle,
  Switch,
} from '@fluentui/react-components';
import { useNavigate } from '@tanstack/react-router';
import { useEffect, useRef, useState } from 'react';
import { words } from '../text/words';
import css from './keys.module.css';
import { SEARCH_ID } from './Search';

const KEY = 'odu.keys';
const PAGES = {
  o: '/$instance',
  d: '/$instance/deployments',
  u: '/$instance/updates',
  e: '/$instance/devices',
  g: '/$instance/groups',
} as const;
const CHORD_MS = 1200;

const text = {
  title: 'Keyboard',
  search: 'Search',
  list: 'This list',
  close: 'Close what is open',
  on: 'Use these keys',
};

const areOn = (): boolean => localStorage.getItem(KEY) !== 'off';

export function useKeys(instance: string, openList: () => void): void {
  const navigate = useNavigate();
  const goAt = useRef(0);
  useEffect(() => {
    const onKey = (event: KeyboardEvent) => {
      if (!areOn() || event.ctrlKey || event.metaKey || event.altKey) return;
      if ((event.target as HTMLElement).closest('input, textarea, select, [role=dialog]')) return;
      const page = PAGES[event.key as keyof typeof PAGES];
      if (page && Date.now() - goAt.current < CHORD_MS) {
        goAt.current = 0;
        navigate({ to: page, params: { instance } });
      } else if (event.key === 'g') goAt.current = Date.now();
      else if (event.key === '/') {
        event.preventDefault();
        document.getElementById(SEARCH_ID)?.focus();
      } else if (event.key === '?') openList();
    };
    addEventListener('keydown', onKey);
    return () => removeEventListener('keydown', onKey);
  }, [instance, navigate, openList]);
}

export function KeyList({ onClose }: { onClose: () => void }) {
  const [isOn, setOn] = useState(areOn());
  const rows: [string, string][] = [
    ['/', text.search],
    ['g o', words.nav.overview],
    ['g d', words.nav.deployments],
    ['g u', words.nav.updates],
    ['g e', words.nav.devices],
    ['g g', words.nav.groups],
    ['?', text.list],
    ['Esc', text.close],
  ];
  return (
    <Dialog open onOpenChange={onClose}>
      <DialogSurface>
        <DialogBody>
          <DialogTitle>{text.title}</DialogTitle>
          <DialogContent>
            <dl className={css.list}>
              {rows.map(([keys, what]) => (
                <div key={keys}>
                  <dt>
                    <kbd>{keys}</kbd>
                  </dt>
                  <dd>{what}</dd>
                </div>
              ))}
            </dl>
            <Switch
              label={text.on}
              checked={isOn}
              onChange={(_, { checked }) => {
                localStorage.setItem(KEY, checked ? 'on' : 'off');
                setOn(checked);
              }}
            />
          </DialogContent>
          <DialogActions>
            <Button onClick={onClose}>{words.actions.close}</Button>
          </DialogActions>
        </DialogBody>
      </DialogSurface>
    </Dialog>
  );
}
