/** The menus of the head: which instance, who is signed in. Loaded after the first paint. */

import {
  Button,
  Menu,
  MenuItem,
  MenuItemRadio,
  MenuList,
  MenuPopover,
  MenuTrigger,
} from '@fluentui/react-components';
import { useQuery } from '@tanstack/react-query';
import { useNavigate } from '@tanstack/react-router';
import { DownIcon, PersonIcon } from '../design/icons';
import { words } from '../text/words';
import { meQuery, useInstance } from './me';
import { useSession } from './session';

export function Instances() {
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
        <Button
          appearance="subtle"
          icon={<DownIcon />}
          iconPosition="after"
          aria-label={`Instance ${instance}`}
        >
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

export function Account({ onKeys }: { onKeys: () => void }) {
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
          <MenuItem onClick={() => window.open('/openapi', '_blank', 'noopener')}>
            REST API
          </MenuItem>
          <MenuItem onClick={() => auth.signOut()}>{words.actions.signOut}</MenuItem>
        </MenuList>
      </MenuPopover>
    </Menu>
  );
}
