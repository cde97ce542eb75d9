/**
 * The feed of changes: one cheap call says what was written, and only what shows it is read again.
 *
 * Keys of readings are `[instance, subject, ...place]`; `concerns` says which of them a change is of.
 */

import type { Query, QueryClient } from '@tanstack/react-query';
import { body, client, type Schemas, V } from './client';

export type Change = Schemas['Change'];
type Key = readonly unknown[];

/** Figures of the instance as a whole that each kind of change may move. */
const WHOLE: Record<Change['kind'], readonly string[]> = {
  group: ['compliance', 'attention', 'installed', 'standings', 'connections', 'devices', 'groups'],
  deployment: ['standings', 'attention', 'devices'],
  update: ['updates', 'installed', 'compliance', 'attention', 'classes', 'groups'],
  operation: ['imports', 'operations', 'attention', 'collections'],
};

/** Whether a reading may show something of what was written. */
export function concerns([, subject, ...place]: Key, { kind, id }: Change): boolean {
  const groupId = kind === 'deployment' ? id.slice(0, id.lastIndexOf('/')) : id;
  if (subject === 'compliance' && place[0] === 'history') return false; // once a day
  if (subject === 'groups') return concernsGroup(place, kind, groupId, id);
  if (subject === 'devices' || subject === 'deviceStates') {
    const group = (place[0] as { group?: string } | undefined)?.group;
    return (kind === 'group' || kind === 'deployment') && (!group || group === groupId);
  }
  if (subject === 'standings' && place[0]) {
    return WHOLE[kind].includes('standings') && String(place[0]).includes(quoted(groupId));
  }
  return WHOLE[kind].includes(String(subject));
}

function concernsGroup(place: Key, kind: Change['kind'], groupId: string, id: string): boolean {
  const [group, part, deployment] = place;
  if (part === 'compliance' && deployment === 'history') return false; // once a day
  const isList = group === undefined || group === 'ordered';
  if (kind === 'update') return part === 'best' || part === 'compliance' || group === 'ordered';
  if (kind === 'operation') return false;
  if (isList) return kind === 'group';
  if (group !== groupId) return false;
  if (kind === 'group') return true;
  return part === 'deployments' && (deployment === undefined || `${group}/${deployment}` === id);
}

const quoted = (text: string): string => `'${text.replaceAll("'", "''")}'`;

/** Rows that somebody reads do not move more often than this. */
const LIST_MS = 10_000;
/** After a longer silence all is read anew. */
const LOST_MS = 10 * 60_000;

/** So many are told apart; what was forgotten is read once more. */
const MOST_KNOWN = 1000;

const isList = ([, subject, of]: Key): boolean =>
  subject === 'deviceStates' || (subject === 'devices' && of !== 'one');

export class ChangeFeed {
  private cursor: string | null = null;
  private readAt = 0;
  private held: Change[] = [];
  private readonly etags = new Map<string, string>();

  constructor(
    private readonly queries: QueryClient,
    private readonly instanceId: string,
    private readonly now: () => number = Date.now,
  ) {}

  /** Ask once, and have read again what shows something of what was written. */
  async read(signal?: AbortSignal): Promise<number> {
    const isFirst = this.cursor === null;
    const isLost = !isFirst && this.now() - this.readAt > LOST_MS;
    const { cursor, changed } = await body(
      client.GET('/deviceUpdate/{instanceId}/changes', {
        params: {
          path: { instanceId: this.instanceId },
          query: { ...V, since: isLost ? undefined : (this.cursor ?? undefined) },
        },
        signal,
      }),
    );
    this.cursor = cursor;
    this.readAt = this.now();
    const fresh = this.unseen(changed);
    if (isLost) this.queries.invalidateQueries({ predicate: this.isOurs });
    else if (!isFirst) this.apply(fresh);
    return this.readAt;
  }

  /** The feed tells some things twice. */
  private unseen(changed: Change[]): Change[] {
    return changed.filter(({ kind, id, etag }) => {
      const name = `${kind} ${id}`;
      const isNew = this.etags.get(name) !== etag;
      this.etags.delete(name);
      this.etags.set(name, etag);
      const [oldest] = this.etags.keys();
      if (this.etags.size > MOST_KNOWN && oldest) this.etags.delete(oldest);
      return isNew;
    });
  }

  private apply(fresh: Change[]): void {
    const changes = [...this.held, ...fresh];
    this.held = [];
    if (changes.length === 0) return;
    const held = new Set<Change>();
    this.queries.invalidateQueries({
      predicate: (query) => {
        if (!this.isOurs(query)) return false;
        const causes = changes.filter((change) => concerns(query.queryKey, change));
        if (causes.length === 0) return false;
        const age = this.now() - query.state.dataUpdatedAt;
        if (!isList(query.queryKey) || age >= LIST_MS) return true;
        for (const cause of causes) held.add(cause);
        return false;
      },
    });
    this.held = [...held];
  }

  private readonly isOurs = ({ queryKey }: Query): boolean =>
    queryKey[0] === this.instanceId && queryKey[1] !== 'changes';
}
