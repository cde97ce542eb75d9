/** Deltas between two versions of an update, made by the service. */

import { client, type Schemas, type Update, type UpdateId, V } from './client';
import { operationIn } from './operations';

export type DeltaOutcome = Schemas['DeltaOutcome'];

/** Have deltas made from an older version; the id of the operation. */
export async function makeDelta(
  instanceId: string,
  of: UpdateId,
  sourceVersion: string,
): Promise<string> {
  const { response } = await client.POST(
    '/deviceUpdate/{instanceId}/updates/providers/{provider}/names/{name}/versions/{version}:makeDelta',
    { params: { path: { instanceId, ...of }, query: V }, body: { sourceVersion } },
  );
  return operationIn(response);
}

/** The other versions of the same update, from which devices may come. */
export function sourcesOf(update: Update, all: Update[]): string[] {
  const { provider, name, version } = update.updateId;
  return all
    .map(({ updateId }) => updateId)
    .filter((id) => id.provider === provider && id.name === name && id.version !== version)
    .map((id) => id.version);
}

/** Whether an operation makes deltas; it goes other ways than an import. */
export const isOfDeltas = ({ stage, deltas }: Schemas['Operation']): boolean =>
  stage === 'delta' || Boolean(deltas);
