/** Every violation of a manifest at once, as the service finds them. */

import { queryOptions } from '@tanstack/react-query';
import { body, client, type Schemas, V } from '../../api/client';

export type Findings = Schemas['ManifestFindings'];

/** The text is sent as it stands: the service reads JSON more strictly than a browser. */
export const validationQuery = (instanceId: string, manifest: string) =>
  queryOptions({
    queryKey: [instanceId, 'validation', manifest],
    queryFn: ({ signal }) =>
      body(
        client.POST('/deviceUpdate/{instanceId}/updates:validate', {
          params: { path: { instanceId }, query: V },
          body: manifest as never,
          bodySerializer: (text) => text as unknown as string,
          headers: { 'Content-Type': 'application/json' },
          signal,
        }),
      ),
    staleTime: Number.POSITIVE_INFINITY,
    placeholderData: (before) => before,
  });
