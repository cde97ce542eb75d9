/** What addresses may say beside their path; anything else is left out. */

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

export const devicesSearch = optional((search) => ({
  group: text(search.group),
  class: text(search.class),
  state: oneOf('Failed', 'InProgress', 'Succeeded', 'Canceled', 'None')(search.state),
}));
