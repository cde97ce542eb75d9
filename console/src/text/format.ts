/** Numbers, sizes, durations and times in the browser's locale. */

const whole = new Intl.NumberFormat(undefined, { maximumFractionDigits: 0 });
const oneDigit = new Intl.NumberFormat(undefined, { maximumFractionDigits: 1 });
const percentDigits = new Intl.NumberFormat(undefined, {
  minimumFractionDigits: 1,
  maximumFractionDigits: 1,
});
const SIZES = ['bytes', 'KiB', 'MiB', 'GiB', 'TiB'];
const MINUTE = 60;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;

export const count = (value: number): string => whole.format(value);

/** A share with one digit; `100 %` only if all, `< 0.1 %` for what is not nothing. */
export function percent(part: number, total: number): string {
  if (total <= 0 || part <= 0) return '0 %';
  if (part >= total) return '100 %';
  const share = (100 * part) / total;
  if (share < 0.1) return `< ${percentDigits.format(0.1)} %`;
  return `${percentDigits.format(Math.min(share, 99.9))} %`;
}

export function bytes(value: number): string {
  let size = value;
  let unit = 0;
  while (size >= 1024 && unit < SIZES.length - 1) {
    size /= 1024;
    unit += 1;
  }
  return `${unit === 0 ? whole.format(size) : oneDigit.format(size)} ${SIZES[unit]}`;
}

/** `38 s`, `12 min`, `2 h 50 min`, `3 d 4 h`. */
export function duration(seconds: number): string {
  const left = Math.max(0, Math.round(seconds));
  if (left < MINUTE) return `${left} s`;
  if (left < HOUR) return `${Math.round(left / MINUTE)} min`;
  if (left < DAY) return two(left, HOUR, 'h', MINUTE, 'min');
  return two(left, DAY, 'd', HOUR, 'h');
}

function two(left: number, large: number, name: string, small: number, smallName: string): string {
  const rest = Math.floor((left % large) / small);
  const first = `${Math.floor(left / large)} ${name}`;
  return rest ? `${first} ${rest} ${smallName}` : first;
}

const sameYear = new Intl.DateTimeFormat(undefined, {
  day: 'numeric',
  month: 'short',
  hour: '2-digit',
  minute: '2-digit',
});
const otherYear = new Intl.DateTimeFormat(undefined, {
  day: 'numeric',
  month: 'short',
  year: 'numeric',
});
const clock = new Intl.DateTimeFormat(undefined, {
  hour: '2-digit',
  minute: '2-digit',
  second: '2-digit',
});
const shortClock = new Intl.DateTimeFormat(undefined, { hour: '2-digit', minute: '2-digit' });
const dayOnly = new Intl.DateTimeFormat(undefined, { day: 'numeric', month: 'short' });
const everything = new Intl.DateTimeFormat(undefined, { dateStyle: 'full', timeStyle: 'long' });

/** Under a day how long ago, else the local date. */
export function when(iso: string, now: number): string {
  const at = Date.parse(iso);
  const seconds = (now - at) / 1000;
  if (seconds > -60 && seconds < MINUTE)
    return seconds < 5 ? 'just now' : `${Math.floor(seconds)} s ago`;
  if (seconds > 0 && seconds < DAY) return `${duration(seconds)} ago`;
  if (seconds < 0 && seconds > -DAY) return `in ${duration(-seconds)}`;
  const isThisYear = new Date(at).getFullYear() === new Date(now).getFullYear();
  return (isThisYear ? sameYear : otherYear).format(at);
}

/** What is shown on hover: the local time in full, and UTC. */
export const exact = (iso: string): string => `${everything.format(Date.parse(iso))}\n${iso}`;

export const timeOfDay = (iso: string): string => clock.format(Date.parse(iso));
export const hourAndMinute = (at: number): string => shortClock.format(at);
export const day = (iso: string): string => dayOnly.format(Date.parse(iso));
export const dateTime = (iso: string): string => sameYear.format(Date.parse(iso));

/** Control characters shown as symbols, so that what a device wrote cannot hide anything. */
export function visible(text: string): string {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: these are what is looked for
  return text.replace(/[\u0000-\u001f]/g, (sign) =>
    String.fromCharCode(0x2400 + sign.charCodeAt(0)),
  );
}

export const plural = (value: number, one: string, many: string): string =>
  `${count(value)} ${value === 1 ? one : many}`;

const ISO = /\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?(?:Z|[+-]\d\d:\d\d)/g;

/** A sentence of the service with its times as the reader's own. */
export const localTimes = (text: string): string => text.replace(ISO, (iso) => dateTime(iso));

/** The first sentence, and what follows it. */
export function firstSentence(text: string): [string, string] {
  const end = text.search(/[.] [A-Z]/);
  return end < 0 ? [text, ''] : [text.slice(0, end + 1), text.slice(end + 2)];
}
