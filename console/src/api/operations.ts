/** Long-running operations: which one an answer has begun, and how one stands. */

import type { Operation } from './client';

/** The id of the operation that an accepted request has begun. */
export function operationIn(response: Response): string {
  const address = response.headers.get('Operation-Location');
  if (!address) throw new Error('The service did not say which operation it has begun.');
  return decodeURIComponent(new URL(address, location.origin).pathname.split('/').at(-1)!);
}

export const isOver = (operation: Operation | undefined): boolean =>
  operation?.status === 'Succeeded' || operation?.status === 'Failed';
