/** What the service warns of in something that it has accepted all the same. */

import { WarningIcon } from './icons';
import { Banner } from './page';
import { Foreign } from './text';

export function Warnings({ of }: { of: string[] | null | undefined }) {
  if (!of?.length) return null;
  return (
    <Banner tone="warn" icon={<WarningIcon />}>
      {of.length === 1 ? (
        <Foreign>{of[0] ?? ''}</Foreign>
      ) : (
        <ul>
          {of.map((warning) => (
            <li key={warning}>
              <Foreign>{warning}</Foreign>
            </li>
          ))}
        </ul>
      )}
    </Banner>
  );
}
