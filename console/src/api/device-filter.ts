/** Filters of devices: as the address has them, and as the grammar of the service writes them. */

export const STATES = ['Failed', 'InProgress', 'Succeeded', 'Canceled', 'None'] as const;
export const CONDITIONS = ['Stuck', 'Silent', 'Unhealthy'] as const;
/** In place of an update: devices that have none. */
export const NO_UPDATE = 'none';

export interface DeviceFilter {
  group?: string;
  class?: string;
  /** Of the last deployment; `None` for devices that never had one. */
  state?: (typeof STATES)[number];
  is?: (typeof CONDITIONS)[number];
  /** Eight hexadecimal digits. */
  code?: string;
  /** `provider/name/version`, or `NO_UPDATE`. */
  installed?: string;
  latest?: 'yes' | 'no';
  connected?: 'yes' | 'no';
  /** So many days without a report, at least. */
  quiet?: number;
  starts?: string;
}

const DAY_MS = 86_400_000;

/** A text as the filter grammar writes it. */
export const quoted = (text: string): string => `'${text.replaceAll("'", "''")}'`;

/** The filter expression; none for the whole fleet. Days are counted back from the last midnight. */
export function filterOf(filter: DeviceFilter, now: number): string | undefined {
  const { group, state, is, code, installed, latest, connected, quiet, starts } = filter;
  const parts: string[] = [];
  if (starts) parts.push(`startswith(deviceId,${quoted(starts)})`);
  if (group) parts.push(`groupId eq ${quoted(group)}`);
  if (filter.class) parts.push(`deviceClassId eq ${quoted(filter.class)}`);
  if (state) parts.push(`deploymentStatus eq ${state === 'None' ? 'null' : quoted(state)}`);
  if (is) parts.push(`state eq ${quoted(is)}`);
  if (code) parts.push(`failureCode eq ${quoted(code)}`);
  if (installed) {
    parts.push(`installedUpdate eq ${installed === NO_UPDATE ? 'null' : quoted(installed)}`);
  }
  if (latest) parts.push(`onLatestUpdate eq ${latest === 'yes'}`);
  if (connected) parts.push(`isConnected eq ${connected === 'yes'}`);
  if (quiet) {
    const midnight = Math.floor(now / DAY_MS) * DAY_MS;
    parts.push(`lastContactDateTime lt ${new Date(midnight - quiet * DAY_MS).toISOString()}`);
  }
  return parts.length ? parts.join(' and ') : undefined;
}

const PART =
  /^(?:startswith\((?<called>deviceId),'(?<prefix>(?:[^']|'')*)'\)|(?<field>\w+) eq (?:'(?<text>(?:[^']|'')*)'|(?<bare>true|false|null)))(?: and |$)/i;

/** A filter of the service as the address has it; null where the address cannot say it. */
export function searchOf(expression: string): DeviceFilter | null {
  const found: DeviceFilter = {};
  for (let rest = expression; rest; ) {
    const match = PART.exec(rest);
    if (!match?.groups) return null;
    rest = rest.slice(match[0].length);
    const { called, prefix, field, text, bare } = match.groups;
    if (called) found.starts = unquoted(prefix!);
    else if (!take(found, field!.toLowerCase(), text === undefined ? null : unquoted(text), bare)) {
      return null;
    }
  }
  return found;
}

const unquoted = (text: string): string => text.replaceAll("''", "'");

function take(
  into: DeviceFilter,
  field: string,
  text: string | null,
  bare: string | undefined,
): boolean {
  const isNull = bare === 'null';
  if (field === 'groupid' && text) into.group = text;
  else if (field === 'deviceclassid' && text) into.class = text;
  else if (field === 'failurecode' && text) into.code = text;
  else if (field === 'installedupdate') into.installed = isNull ? NO_UPDATE : (text ?? undefined);
  else if (field === 'deploymentstatus') {
    into.state = isNull ? 'None' : STATES.find((each) => each === text);
  } else if (field === 'state') into.is = CONDITIONS.find((each) => each === text);
  else if (field === 'onlatestupdate') into.latest = bare === 'true' ? 'yes' : 'no';
  else if (field === 'isconnected') into.connected = bare === 'true' ? 'yes' : 'no';
  else return false;
  return true;
}
