/** The list of the keys of the console, and the switch that turns them off (WCAG 2.1.4). */

import { Button, Switch } from '@fluentui/react-components';
import { useState } from 'react';
import { Modal } from '../design/modal';
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
    <Modal
      title={text.title}
      onClose={onClose}
      actions={<Button onClick={onClose}>{words.actions.close}</Button>}
    >
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
    </Modal>
  );
}
