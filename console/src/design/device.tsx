/** A device as lists name it: its id leads to its page. */

import { Link } from '@tanstack/react-router';
import { useInstance } from '../app/me';
import { visible } from '../text/format';
import { words } from '../text/words';
import { Two } from './text';

export interface NamedDevice {
  deviceId: string;
  moduleId?: string | null;
}

export function DeviceLink({ of, title }: { of: NamedDevice; title?: string }) {
  const instance = useInstance();
  return (
    <Link
      to="/$instance/devices/$device"
      params={{ instance, device: of.deviceId }}
      search={{ module: of.moduleId ?? undefined }}
      title={title}
    >
      <bdi>{visible(of.deviceId)}</bdi>
    </Link>
  );
}

/** The same, with its module below. */
export function DeviceName({ of, title }: { of: NamedDevice; title?: string }) {
  return (
    <Two
      first={<DeviceLink of={of} title={title} />}
      second={of.moduleId && words.module(of.moduleId)}
    />
  );
}
