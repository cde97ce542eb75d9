import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { ApiError } from '../../src/api/errors';
import { Transport } from '../../src/api/transport';

type Answer = () => Response | Promise<Response>;
let answers: Answer[];
let requests: Request[];
const tokens = { accessToken: vi.fn(async (refresh?: boolean) => (refresh ? 'new' : 'old')) };

beforeEach(() => {
  answers = [];
  requests = [];
  tokens.accessToken.mockClear();
  vi.stubGlobal('fetch', async (request: Request) => {
    requests.push(request);
    return answers.shift()!();
  });
});
afterEach(() => vi.unstubAllGlobals());

const get = () => new Request('https://console.example/deviceUpdate/i/x');
const tagged = (text: string, etag: string) => () =>
  new Response(text, { headers: { ETag: etag } });

test('a reading is asked for conditionally, and a 304 gives what is known', async () => {
  const transport = new Transport(tokens);
  answers = [tagged('{"a":1}', '"1"'), () => new Response(null, { status: 304 })];
  await transport.fetch(get());
  const again = await transport.fetch(get());
  expect(requests[0]!.headers.get('If-None-Match')).toBeNull();
  expect(requests[1]!.headers.get('If-None-Match')).toBe('"1"');
  expect(await again.json()).toEqual({ a: 1 });
});

test('a refused token is replaced once', async () => {
  const transport = new Transport(tokens);
  answers = [() => new Response('{}', { status: 401 }), () => Response.json({})];
  await transport.fetch(get());
  expect(requests.map((each) => each.headers.get('Authorization'))).toEqual([
    'Bearer old',
    'Bearer new',
  ]);
  answers = [
    () => new Response('{}', { status: 401 }),
    () => Response.json({ error: { code: 'Unauthorized', message: 'No.' } }, { status: 401 }),
  ];
  await expect(transport.fetch(get())).rejects.toMatchObject({ status: 401, code: 'Unauthorized' });
});

test('an error tells its code, its words and how long to wait', async () => {
  const transport = new Transport(tokens);
  answers = [
    () =>
      Response.json(
        { error: { code: 'TooManyRequests', message: 'Later (trace 0123456789abcdef0123).' } },
        { status: 429, headers: { 'Retry-After': '7' } },
      ),
  ];
  const error = await transport.fetch(get()).catch((reason: unknown) => reason);
  expect(error).toBeInstanceOf(ApiError);
  expect(error).toMatchObject({
    code: 'TooManyRequests',
    retryAfterSeconds: 7,
    isTransient: true,
    traceId: '0123456789abcdef0123',
  });
});

test('an answer of a gateway without JSON is told by its status', async () => {
  const transport = new Transport(tokens);
  answers = [() => new Response('<html>', { status: 502 })];
  await expect(transport.fetch(get())).rejects.toMatchObject({ status: 502, code: 'HTTP 502' });
});

test('a service that cannot be reached is an error without a status', async () => {
  const transport = new Transport(tokens);
  answers = [() => Promise.reject(new TypeError('network'))];
  await expect(transport.fetch(get())).rejects.toMatchObject({ status: 0, code: 'Unreachable' });
});
