/** The REST API, typed by its own description. */

import createClient from 'openapi-fetch';
import type { components, paths } from './schema';
import { type TokenSource, Transport } from './transport';

export type Schemas = components['schemas'];
export type Update = Schemas['Update'];
export type UpdateId = Schemas['UpdateId'];
export type UpdateInfo = Schemas['UpdateInfo'];
export type Device = Schemas['Device'];
export type DeviceDetails = Schemas['DeviceDetails'];
export type Deployment = Schemas['Deployment'];
export type DeploymentStatus = Schemas['DeploymentStatus'];
export type Group = Schemas['Group'];
export type DeviceClass = Schemas['DeviceClass'];
export type Operation = Schemas['Operation'];
export type FailureCount = Schemas['FailureCount'];

/** The version that the console is written for; every request names it. */
export const V = { 'api-version': '2026-06-01' } as const;

let transport: Transport | null = null;

/** Say where tokens come from; before the first request. */
export function connect(tokens: TokenSource): void {
  transport = new Transport(tokens);
}

export const client = createClient<paths>({
  baseUrl: location.origin,
  fetch: (request) => transport!.fetch(request),
});

/** The body of a success; everything else was thrown already. */
export async function body<T>(answer: Promise<{ data?: T }>): Promise<T> {
  return (await answer).data as T;
}

export interface Paged<T> {
  value: T[];
  nextLink?: string | null;
}

/** The token of the page after this one, from its link. */
export function nextToken(page: Paged<unknown>): string | null {
  return page.nextLink ? new URL(page.nextLink, location.origin).searchParams.get('token') : null;
}

/** All items of a listing that is short by nature: groups, classes, versions. */
export async function everyPage<T>(
  read: (token: string | undefined) => Promise<Paged<T>>,
  atMost = 2000,
): Promise<T[]> {
  const items: T[] = [];
  let token: string | null | undefined;
  do {
    const page = await read(token ?? undefined);
    items.push(...page.value);
    token = nextToken(page);
  } while (token && items.length < atMost);
  return items;
}
