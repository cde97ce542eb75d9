/** The updates that can be deployed, by name, the newest version first. */

import { useQuery } from '@tanstack/react-query';
import { updatesQuery } from '../../api/queries';
import { useInstance } from '../../app/me';
import { compareVersions } from '../updates/versions';

export function useUpdates() {
  const instance = useInstance();
  const updates = useQuery(updatesQuery(instance, undefined, true));
  const sorted = [...(updates.data ?? [])].sort((a, b) => {
    const name = `${a.updateId.provider}${a.updateId.name}`.localeCompare(
      `${b.updateId.provider}${b.updateId.name}`,
    );
    return name || compareVersions(b.updateId.version, a.updateId.version);
  });
  return { ...updates, sorted };
}
