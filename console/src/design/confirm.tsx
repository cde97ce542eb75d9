/** A question before something that cannot simply be taken back. */

import {
  Button,
  Dialog,
  DialogActions,
  DialogBody,
  DialogContent,
  DialogSurface,
  DialogTitle,
  Field,
  Input,
} from '@fluentui/react-components';
import { type ReactNode, useState } from 'react';
import { words } from '../text/words';
import { Problem } from './card';

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
    <Dialog open onOpenChange={(_, { open }) => !open && onClose()}>
      <DialogSurface>
        <DialogBody>
          <DialogTitle>{title}</DialogTitle>
          <DialogContent>
            {children}
            {typed && (
              <Field label={`Type ${typed} to go on`}>
                <Input
                  value={text}
                  onChange={(_, data) => setText(data.value)}
                  autoComplete="off"
                />
              </Field>
            )}
            {error ? <Problem error={error} /> : null}
          </DialogContent>
          <DialogActions>
            <Button onClick={onClose}>{words.actions.keep}</Button>
            <Button appearance="primary" disabled={!isReady || isBusy} onClick={onConfirm}>
              {verb}
            </Button>
          </DialogActions>
        </DialogBody>
      </DialogSurface>
    </Dialog>
  );
}
