/** Lists of devices as files: an operation writes them, a link of an hour opens them. */

import { queryOptions } from '@tanstack/react-query';
import { body, client, type Schemas, V } from './client';
import { operationIn } from './operations';

const M = '/deviceUpdate/{instanceId}/management';

export type ExportFormat = Schemas['Export']['format'];

/** Begin to write the devices that a filter of the service selects; the id of the operation. */
export async function startExport(
  instanceId: string,
  filter: string | undefined,
  format: ExportFormat,
): Promise<string> {
  const params = { path: { instanceId }, query: V };
  const { response } = await client.POST(`${M}/devices:export`, {
    params,
    body: { filter, format },
  });
  return operationIn(response);
}

export const exportQuery = (instanceId: string, operationId: string) =>
  queryOptions({
    queryKey: [instanceId, 'operations', operationId],
    queryFn: ({ signal }) =>
      body(
        client.GET(`${M}/operations/{operationId}`, {
          params: { path: { instanceId, operationId }, query: V },
          signal,
        }),
      ),
  });

/** Where the file is; asked for when it is wanted, as its link ends after an hour. */
export const exportedFile = (
  instanceId: string,
  operationId: string,
): Promise<Schemas['ExportedFile']> =>
  body(
    client.GET(`${M}/operations/{operationId}/file`, {
      params: { path: { instanceId, operationId }, query: V },
    }),
  );
