/** The list of the keys of the console, and the switch that turns them off (WCAG 2.1.4). */

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
import { useState } from 'react';
import { words } from '../text/words';
import { areKeysOn, switchKeys } from './keys';
import css from './keys.module.css';

const text = {
  title: 'Keyboard',
  search: 'Search',
  list: 'This list',
  close: 'Close what is open',
  on: 'Use these keys',
};

export function KeyList({ onClose }: { onClose: () => void }) {
  const [isOn, setOn] = useState(areKeysOn());
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
                switchKeys(checked);
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
