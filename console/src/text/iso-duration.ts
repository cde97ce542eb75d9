/** Durations of ISO 8601, such as `P1DT12H`, in words. */

import { duration } from './format';

const FORM = /^P(?:(\d+)D)?(?:T(?:(\d+)H)?(?:(\d+)M)?(?:(\d+(?:\.\d+)?)S)?)?$/;

export function isoSeconds(text: string): number {
  const found = FORM.exec(text);
  if (!found) return 0;
  const [, days, hours, minutes, seconds] = found.map((each) => Number(each ?? 0));
  return ((days! * 24 + hours!) * 60 + minutes!) * 60 + seconds!;
}

export const isoDuration = (text: string): string => duration(isoSeconds(text));
