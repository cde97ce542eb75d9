import { createHash } from 'node:crypto';
import { expect, test } from 'vitest';
import type { Chosen } from '../../src/pages/import/files';
import { hashOf } from '../../src/pages/import/hash';
import { EMPTY_FORM, fieldOf, manifestOf } from '../../src/pages/import/manifest';
import { blocksOf } from '../../src/pages/import/upload';

const file = (name: string, size = 3): Chosen => ({
  id: name,
  file: { name, size } as File,
  bytesHashed: size,
  sha256: `hash of ${name}`,
});
const FORM = { ...EMPTY_FORM, provider: 'contoso', name: 'toaster', version: '1.0' };

test.each([0, 1, 7, 8, 9, 100])('%i bytes are hashed piece by piece', async (size) => {
  const content = new Uint8Array(size).map((_, index) => index);
  const told: number[] = [];
  const hash = await hashOf(new Blob([content]), (done) => told.push(done), 8);
  expect(hash).toBe(createHash('sha256').update(content).digest('base64'));
  expect(told.at(-1) ?? 0).toBe(size);
  expect(told).toEqual([...told].sort((a, b) => a - b));
});

test('a form and files make a manifest', () => {
  const made = manifestOf(
    { ...FORM, arguments: '--now', compatibility: [{ manufacturer: 'contoso', model: 'toaster' }] },
    [file('install.sh'), file('data.bin', 9)],
    '2026-01-01T00:00:00Z',
  );
  expect(made).toEqual({
    manifestVersion: '5.0',
    updateId: { provider: 'contoso', name: 'toaster', version: '1.0' },
    compatibility: [{ manufacturer: 'contoso', model: 'toaster' }],
    instructions: {
      steps: [
        {
          handler: 'microsoft/script:1',
          files: ['install.sh', 'data.bin'],
          handlerProperties: {
            installedCriteria: '1.0',
            scriptFileName: 'install.sh',
            arguments: '--now',
          },
        },
      ],
    },
    files: [
      { filename: 'install.sh', sizeInBytes: 3, hashes: { sha256: 'hash of install.sh' } },
      { filename: 'data.bin', sizeInBytes: 9, hashes: { sha256: 'hash of data.bin' } },
    ],
    createdDateTime: '2026-01-01T00:00:00Z',
  });
});

test('a step of apt names no script', () => {
  const made = manifestOf({ ...FORM, handler: 'microsoft/apt:1' }, [file('apt.json')], '');
  expect(JSON.stringify(made)).not.toContain('scriptFileName');
});

test.each([
  ['/updateId/version', 'version'],
  ['/compatibility/0/model', 'compatibility'],
  ['/instructions/steps/0/handlerProperties/installedCriteria', 'installedCriteria'],
  ['/instructions/steps/0/handlerProperties/scriptFileName', 'scriptFileName'],
  ['/instructions/steps/0/handler', 'handler'],
  ['/files/0/hashes', null],
  ['', null],
])('the violation at %s stands beside %s', (pointer, field) =>
  expect(fieldOf(pointer)).toBe(field),
);

test('blocks cover a file without gaps, with ids of one length', () => {
  const blocks = blocksOf(new Blob([new Uint8Array(25)]), 10);
  expect(blocks.map((each) => each.content.size)).toEqual([10, 10, 5]);
  expect(new Set(blocks.map((each) => each.id)).size).toBe(3);
  expect(new Set(blocks.map((each) => each.id.length)).size).toBe(1);
});
