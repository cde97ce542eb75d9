/** Buttons of things to do; what a role forbids stays in sight and says which role has it. */

import { Button, Tooltip } from '@fluentui/react-components';
import { createLink } from '@tanstack/react-router';
import { type AnchorHTMLAttributes, forwardRef, type ReactElement } from 'react';
import { type Action, useMay } from '../app/me';
import { words } from '../text/words';
import css from './actions.module.css';

export function ActionButton({
  action,
  icon,
  children,
  onClick,
  isMain = false,
  isBusy = false,
  whyNot,
}: {
  action: Action;
  icon?: ReactElement;
  children: string;
  onClick: () => void;
  isMain?: boolean;
  isBusy?: boolean;
  /** Why it makes no sense now, if so. */
  whyNot?: string;
}) {
  const may = useMay(action);
  const reason = may.isAllowed ? whyNot : words.notAllowed(may.roles);
  const button = (
    <Button
      appearance={isMain ? 'primary' : 'outline'}
      icon={icon}
      disabledFocusable={Boolean(reason) || isBusy}
      onClick={reason || isBusy ? undefined : onClick}
    >
      {children}
    </Button>
  );
  if (!reason) return button;
  return (
    <Tooltip content={reason} relationship="description" positioning="below">
      {button}
    </Tooltip>
  );
}

interface LinkProps extends AnchorHTMLAttributes<HTMLAnchorElement> {
  isMain?: boolean;
}

const LinkAnchor = forwardRef<HTMLAnchorElement, LinkProps>(({ isMain, ...props }, ref) => (
  <a ref={ref} {...props} className={`${css.button} ${isMain ? css.main : ''}`} />
));

/** A link that looks like a button: it leads to another page. */
export const ButtonLink = createLink(LinkAnchor);
