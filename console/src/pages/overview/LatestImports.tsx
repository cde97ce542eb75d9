/** The newest imports and the stage that each has reached. */

import { useQuery } from '@tanstack/react-query';
import { Link } from '@tanstack/react-router';
import { importsQuery } from '../../api/queries';
import { live } from '../../app/live';
import { useInstance } from '../../app/me';
import { Card, Empty, Loaded } from '../../design/card';
import { ImportIcon } from '../../design/icons';
import { Foreign, Time, UpdateName } from '../../design/text';
import { ImportStages, progressText } from '../import/ImportStages';
import css from './overview.module.css';
import { text } from './text';

const SHOWN = 5;

export function LatestImports() {
  const instance = useInstance();
  const imports = useQuery({ ...importsQuery(instance), ...live });
  return (
    <Card title={text.imports} span={6}>
      <Loaded reading={imports} height={160}>
        {(operations) =>
          operations.length === 0 ? (
            <Empty icon={<ImportIcon />} title={text.noImports} isSmall />
          ) : (
            <div>
              {operations.slice(0, SHOWN).map((operation) => (
                <div key={operation.operationId} className={css.import}>
                  <Link
                    to="/$instance/imports/$operation"
                    params={{ instance, operation: operation.operationId }}
                    className="oneline"
                  >
                    {operation.update ? (
                      <UpdateName of={operation.update} />
                    ) : (
                      operation.operationId
                    )}
                  </Link>
                  <ImportStages operation={operation} />
                  <small className="soft oneline">
                    {operation.status === 'Failed' && operation.error ? (
                      <Foreign atMost={300}>{operation.error.message}</Foreign>
                    ) : operation.status === 'Succeeded' ? (
                      <Time at={operation.lastActionDateTime} />
                    ) : (
                      progressText(operation)
                    )}
                  </small>
                </div>
              ))}
            </div>
          )
        }
      </Loaded>
    </Card>
  );
}
