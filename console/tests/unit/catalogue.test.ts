/** Every text of the catalogue, and the contrast of every pair of colours that carries text. */

import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';

const modules = import.meta.glob(['../../src/text/words.ts', '../../src/pages/**/*text.ts'], {
  eager: true,
}) as Record<string, Record<string, unknown>>;

function* textsOf(value: unknown, path: string): Generator<[string, string]> {
  if (typeof value === 'string') yield [path, value];
  else if (typeof value === 'object' && value !== null) {
    for (const [name, inner] of Object.entries(value)) yield* textsOf(inner, `${path}.${name}`);
  }
}

const texts = Object.entries(modules).flatMap(([file, members]) => [...textsOf(members, file)]);

test('the catalogue is found', () => expect(texts.length).toBeGreaterThan(300));

test('every text says something, and is trimmed', () => {
  const wrong = texts.filter(([, text]) => text.trim() === '' || text !== text.trim());
  expect(wrong).toEqual([]);
});

test('no text blames without saying what', () => {
  const wrong = texts.filter(([, text]) => /something went wrong|oops|undefined/i.test(text));
  expect(wrong).toEqual([]);
});

const css = readFileSync(new URL('../../src/design/tokens.css', import.meta.url), 'utf8');

function colours(theme: string): Map<string, string> {
  const block = css.split(`data-theme="${theme}"`)[1]!.split('}')[0]!;
  return new Map(
    [...block.matchAll(/--([\w-]+): (#[0-9a-f]{6});/g)].map(([, name, value]) => [name!, value!]),
  );
}

function luminance(hex: string): number {
  const [r, g, b] = [1, 3, 5].map((at) => {
    const part = Number.parseInt(hex.slice(at, at + 2), 16) / 255;
    return part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4;
  });
  return 0.2126 * r! + 0.7152 * g! + 0.0722 * b!;
}

function ratio(a: string, b: string): number {
  const [high, low] = [luminance(a), luminance(b)].sort((x, y) => y - x);
  return (high! + 0.05) / (low! + 0.05);
}

const TONES = ['ok', 'run', 'bad', 'warn', 'wait', 'stop'];

test.each(['light', 'dark'])('colours are told apart by everybody, %s', (theme) => {
  const all = colours(theme);
  const of = (name: string) => all.get(name)!;
  for (const text of ['text', 'soft', 'link', ...TONES]) {
    for (const ground of ['card', 'page']) {
      expect(ratio(of(text), of(ground)), `${text} on ${ground}`).toBeGreaterThanOrEqual(4.5);
    }
  }
  for (const tone of TONES) {
    expect(ratio(of(tone), of(`${tone}-tint`)), `${tone} on its tint`).toBeGreaterThanOrEqual(4.5);
    expect(ratio(of(`${tone}-fill`), of('card')), `${tone} fill`).toBeGreaterThanOrEqual(3);
  }
});
