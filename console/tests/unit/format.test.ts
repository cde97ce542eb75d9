import { describe, expect, test } from 'vitest';
import {
  bytes,
  duration,
  firstSentence,
  localTimes,
  percent,
  visible,
  when,
} from '../../src/text/format';
import { isoDuration, isoSeconds } from '../../src/text/iso-duration';

const digits = (text: string) => text.replace(',', '.');

describe('a share', () => {
  test.each([
    [0, 10, '0 %'],
    [5, 0, '0 %'],
    [1, 1_000_000, '< 0.1 %'],
    [1, 3, '33.3 %'],
    [999_999, 1_000_000, '99.9 %'],
    [10, 10, '100 %'],
  ])('%i of %i is %s', (part, total, text) => expect(digits(percent(part, total))).toBe(text));
});

test.each([
  [0, '0 bytes'],
  [1023, '1,023 bytes'],
  [1024, '1 KiB'],
  [1536, '1.5 KiB'],
  [3 * 2 ** 30, '3 GiB'],
  [5000 * 2 ** 40, '5,000 TiB'],
])('%i bytes are %s', (value, text) =>
  expect(bytes(value).replace(/[.,\s]/g, '')).toBe(text.replace(/[.,\s]/g, '')),
);

test.each([
  [-3, '0 s'],
  [38.4, '38 s'],
  [61, '1 min'],
  [3600, '1 h'],
  [10_200, '2 h 50 min'],
  [90_000, '1 d 1 h'],
])('%d seconds are %s', (seconds, text) => expect(duration(seconds)).toBe(text));

test('a moment is told by how long ago it was, and by its date after a day', () => {
  const now = Date.parse('2026-03-10T12:00:00Z');
  expect(when('2026-03-10T11:59:58Z', now)).toBe('just now');
  expect(when('2026-03-10T11:59:20Z', now)).toBe('40 s ago');
  expect(when('2026-03-10T10:00:00Z', now)).toBe('2 h ago');
  expect(when('2026-03-10T13:30:00Z', now)).toBe('in 1 h 30 min');
  expect(when('2026-03-01T12:00:00Z', now)).not.toContain('ago');
  expect(when('2020-03-01T12:00:00Z', now)).toContain('2020');
});

test('control characters are shown as symbols', () => {
  expect(visible('a\u0000b\nc')).toBe('a␀b␊c');
  expect(visible('ünï 漢字 \u202e')).toBe('ünï 漢字 \u202e');
});

test('times within a sentence become local, the rest stays', () => {
  const text = localTimes('It waits until 2026-03-10T12:00:00Z, then goes on.');
  expect(text).toMatch(/^It waits until .+, then goes on\.$/);
  expect(text).not.toContain('T12:00');
});

test('a sentence ends at a full stop before a capital letter', () => {
  expect(firstSentence('Version 1.0 failed. Free space.')).toEqual([
    'Version 1.0 failed.',
    'Free space.',
  ]);
  expect(firstSentence('No end')).toEqual(['No end', '']);
});

test.each([
  ['PT0S', 0],
  ['PT90M', 5400],
  ['P1DT12H', 129_600],
  ['PT1.5S', 1.5],
  ['rubbish', 0],
])('%s is %d seconds', (text, seconds) => expect(isoSeconds(text)).toBe(seconds));

test('an ISO duration in words', () => expect(isoDuration('P1DT12H')).toBe('1 d 12 h'));
