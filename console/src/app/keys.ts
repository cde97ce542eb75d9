/** The keys of the console; they may be switched off (WCAG 2.1.4). */

import { useNavigate } from '@tanstack/react-router';
import { useEffect, useRef } from 'react';
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

export const areKeysOn = (): boolean => localStorage.getItem(KEY) !== 'off';

export const switchKeys = (isOn: boolean): void => localStorage.setItem(KEY, isOn ? 'on' : 'off');

export function useKeys(instance: string, openList: () => void): void {
  const navigate = useNavigate();
  const goAt = useRef(0);
  useEffect(() => {
    const onKey = (event: KeyboardEvent) => {
      if (!areKeysOn() || event.ctrlKey || event.metaKey || event.altKey) return;
      if ((event.target as HTMLElement).closest('input, textarea, select, dialog')) return;
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
