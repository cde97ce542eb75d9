/** What a search found, as places of the console. */

import type { Schemas } from '../api/client';

export type Hit = Schemas['SearchHit'];

const UPDATE = /^updates\/providers\/([^/]+)\/names\/([^/]+)\/versions\/([^/]+)$/;

/** Where a hit leads to; null where the console has no page of it. */
export function placeOf(instance: string, { kind, id, link }: Hit) {
  switch (kind) {
    case 'device':
      return { to: '/$instance/devices/$device', params: { instance, device: id } } as const;
    case 'group':
      return { to: '/$instance/groups/$group', params: { instance, group: id } } as const;
    case 'deviceClass':
      return { to: '/$instance/devices', params: { instance }, search: { class: id } } as const;
    case 'update': {
      const [, provider, name, version] = UPDATE.exec(link) ?? [];
      if (!provider || !name || !version) return null;
      return {
        to: '/$instance/updates/$provider/$name/$version',
        params: { instance, provider, name, version },
      } as const;
    }
    case 'deployment': {
      const group = between(link, 'management/groups/', `/deployments/${id}`);
      if (group === null) return null;
      return {
        to: '/$instance/groups/$group/deployments/$deployment',
        params: { instance, group, deployment: id },
      } as const;
    }
  }
}

function between(text: string, start: string, end: string): string | null {
  if (!text.startsWith(start) || !text.endsWith(end)) return null;
  return text.slice(start.length, text.length - end.length);
}
