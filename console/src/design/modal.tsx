/** A dialog of the browser's own: it keeps the focus, and all else is out of reach meanwhile. */

import { type ReactNode, useId, useLayoutEffect, useRef } from 'react';
import css from './modal.module.css';

export function Modal({
  title,
  children,
  actions,
  onClose,
}: {
  title: string;
  children: ReactNode;
  actions: ReactNode;
  onClose: () => void;
}) {
  const ref = useRef<HTMLDialogElement>(null);
  const id = useId();
  // before the dialog leaves the document: the focus goes back to where it was
  useLayoutEffect(() => {
    const dialog = ref.current;
    const before = document.activeElement;
    dialog?.showModal();
    return () => {
      dialog?.close();
      if (before instanceof HTMLElement) before.focus();
    };
  }, []);
  return (
    <dialog
      ref={ref}
      className={css.modal}
      aria-labelledby={id}
      onCancel={(event) => {
        event.preventDefault();
        onClose();
      }}
    >
      <h2 id={id}>{title}</h2>
      <div className={css.content}>{children}</div>
      <div className={css.actions}>{actions}</div>
    </dialog>
  );
}
