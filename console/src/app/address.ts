/** What addresses may say beside their path; anything else is left out. */

import { CONDITIONS, STATES } from '../api/device-filter';

export type Raw = Record<string, unknown>;

export const text = (value: unknown): string | undefined =>
  typeof value === 'string' && value !== ''
    ? value
    : typeof value === 'number'
      ? String(value)
      : undefined;

export function oneOf<T extends string>(...known: T[]): (value: unknown) => T | undefined {
  return (value) => known.find((each) => each === value);
}

/** All members may be left out of a link. */
export const optional =
  <T>(read: (search: Raw) => T): ((search: Raw) => Partial<T>) =>
  (search) =>
    read(search);

const ANSWERS = oneOf('yes', 'no');
const CODE = /^[0-9a-f]{8}$/i;

export const devicesSearch = optional((search) => {
  const code = text(search.code);
  const quiet = Number(search.quiet);
  return {
    group: text(search.group),
    class: text(search.class),
    state: oneOf(...STATES)(search.state),
    is: oneOf(...CONDITIONS)(search.is),
    code: code && CODE.test(code) ? code : undefined,
    installed: text(search.installed),
    latest: ANSWERS(search.latest),
    connected: ANSWERS(search.connected),
    quiet: Number.isInteger(quiet) && quiet > 0 && quiet <= 3650 ? quiet : undefined,
    starts: text(search.starts),
  };
});
