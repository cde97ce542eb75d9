/** Messages in the storage queues of the stack, as the Functions host puts them there. */

import { createHmac } from 'node:crypto';
import { stack } from './console';

const VERSION = '2021-12-02';

interface Account {
  name: string;
  key: string;
  endpoint: string;
}

function account(): Account {
  const parts = new Map(
    stack.storage_connection_string
      .split(';')
      .filter(Boolean)
      .map((part) => [part.slice(0, part.indexOf('=')), part.slice(part.indexOf('=') + 1)]),
  );
  const of = (name: string) => parts.get(name) ?? '';
  return { name: of('AccountName'), key: of('AccountKey'), endpoint: of('QueueEndpoint') };
}

async function send(method: string, path: string, body = ''): Promise<void> {
  const { name, key, endpoint } = account();
  const url = new URL(path, endpoint.endsWith('/') ? endpoint : `${endpoint}/`);
  const date = new Date().toUTCString();
  const type = body ? 'application/xml' : '';
  const length = body ? String(Buffer.byteLength(body)) : '';
  const signed = [
    method,
    '',
    '',
    length,
    '',
    type,
    ...Array<string>(6).fill(''),
    `x-ms-date:${date}`,
    `x-ms-version:${VERSION}`,
    `/${name}${url.pathname}`,
  ].join('\n');
  const signature = createHmac('sha256', Buffer.from(key, 'base64'))
    .update(signed)
    .digest('base64');
  const answer = await fetch(url, {
    method,
    headers: {
      'x-ms-date': date,
      'x-ms-version': VERSION,
      Authorization: `SharedKey ${name}:${signature}`,
      ...(type && { 'Content-Type': type }),
    },
    body: body || undefined,
  });
  if (!answer.ok && answer.status !== 409) throw new Error(`${answer.status} of ${method} ${path}`);
}

/** Put messages where the host puts what has failed as often as it tries. */
export async function poisoned(queue: string, messages: object[]): Promise<void> {
  await send('PUT', `${queue}-poison`);
  for (const each of messages) {
    const text = Buffer.from(JSON.stringify(each)).toString('base64');
    const body = `<QueueMessage><MessageText>${text}</MessageText></QueueMessage>`;
    await send('POST', `${queue}-poison/messages`, body);
  }
}
