/** A question before something that cannot simply be taken back. */

import { Button, Field, Input } from '@fluentui/react-components';
import { type ReactNode, useState } from 'react';
import { words } from '../text/words';
import { Problem } from './card';
import { Modal } from './modal';

export function Confirm({
  title,
  children,
  verb,
  typed,
  isBusy,
  error,
  onConfirm,
  onClose,
}: {
  title: string;
  children: ReactNode;
  /** What the button does. */
  verb: string;
  /** A text to type first, where it cannot be undone. */
  typed?: string;
  isBusy: boolean;
  error: unknown;
  onConfirm: () => void;
  onClose: () => void;
}) {
  const [text, setText] = useState('');
  const isReady = !typed || text === typed;
  return (
    <Modal
      title={title}
      onClose={onClose}
      actions={
        <>
          <Button onClick={onClose}>{words.actions.keep}</Button>
          <Button appearance="primary" disabled={!isReady || isBusy} onClick={onConfirm}>
            {verb}
          </Button>
        </>
      }
    >
      {children}
      {typed && (
        <Field label={`Type ${typed} to go on`}>
          <Input value={text} onChange={(_, data) => setText(data.value)} autoComplete="off" />
        </Field>
      )}
      {error ? <Problem error={error} /> : null}
    </Modal>
  );
}
