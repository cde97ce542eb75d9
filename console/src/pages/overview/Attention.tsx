/** What needs somebody, by cause; each row leads to where it can be mended. */

import { useQuery } from '@tanstack/react-query';
import { Link } from '@tanstack/react-router';
import type { ReactNode } from 'react';
import { type DeviceFilter, searchOf } from '../../api/device-filter';
import { type AttentionItem, attentionQuery } from '../../api/fleet';
import { devicesSearch } from '../../app/address';
import { live } from '../../app/live';
import { useInstance } from '../../app/me';
import { Card, Empty, Loaded } from '../../design/card';
import { SucceededIcon } from '../../design/icons';
import { StateIcon, type StateName } from '../../design/state';
import { Foreign } from '../../design/text';
import { count } from '../../text/format';
import { words } from '../../text/words';
import css from './overview.module.css';
import { text } from './text';

const STATES: Record<AttentionItem['cause'], StateName> = {
  Failed: 'Failed',
  RefusedImport: 'Failed',
  RecalledInstalled: 'Stuck',
  CounterDrift: 'Stuck',
  Silent: 'Silent',
  Stuck: 'Stuck',
  Unhealthy: 'Failed',
  ClassesHeldBack: 'Waiting',
  FailedForGood: 'Failed',
  RolloutHeld: 'Waiting',
};

export function Attention() {
  const instance = useInstance();
  const attention = useQuery({ ...attentionQuery(instance), ...live });
  const devices = (attention.data ?? []).reduce((sum, item) => sum + (item.deviceCount ?? 0), 0);
  return (
    <Card title={text.attention} span={4} side={devices > 0 && words.devices(devices)}>
      <Loaded reading={attention} height={200}>
        {(items) =>
          items.length === 0 ? (
            <Empty icon={<SucceededIcon />} title={text.allWell}>
              {text.allWellText}
            </Empty>
          ) : (
            <div className={css.rows}>
              {items.map((item) => (
                <Target key={`${item.cause}${item.code}${item.subject}${item.message}`} of={item}>
                  <StateIcon state={STATES[item.cause]} />
                  <span className={css.rowTitle}>
                    <Foreign atMost={300}>{item.message}</Foreign>
                  </span>
                  <span className={css.rowNumber}>{figure(item)}</span>
                  <small className={`${css.rowHint} soft anywhere`}>
                    {item.code && <code>{item.code}</code>}{' '}
                    {item.cause === 'FailedForGood' ? text.seeOperations : item.nextStep}
                  </small>
                </Target>
              ))}
            </div>
          )
        }
      </Loaded>
    </Card>
  );
}

function figure(item: AttentionItem): string {
  const value = item.deviceCount ?? item.count;
  return value === null || value === undefined ? '' : count(value);
}

/** The row as a link to the page where one can do something about it. */
function Target({ of, children }: { of: AttentionItem; children: ReactNode }) {
  const instance = useInstance();
  const search = of.filter ? searchOf(of.filter) : devicesOf(of);
  if (of.cause === 'RefusedImport' && of.subject) {
    return (
      <Link
        to="/$instance/imports/$operation"
        params={{ instance, operation: of.subject }}
        className={css.row}
      >
        {children}
      </Link>
    );
  }
  if (of.cause === 'RolloutHeld' && of.groupId && of.subject) {
    return (
      <Link
        to="/$instance/groups/$group/deployments/$deployment"
        params={{ instance, group: of.groupId, deployment: of.subject }}
        className={css.row}
      >
        {children}
      </Link>
    );
  }
  if (search) {
    return (
      <Link to="/$instance/devices" params={{ instance }} search={search} className={css.row}>
        {children}
      </Link>
    );
  }
  if (of.cause === 'RecalledInstalled') {
    return (
      <Link to="/$instance/updates" params={{ instance }} className={css.row}>
        {children}
      </Link>
    );
  }
  return (
    <Link to="/$instance/operations" params={{ instance }} className={css.row}>
      {children}
    </Link>
  );
}

/** The devices of an item that names none by a filter. */
function devicesOf({ cause, code }: AttentionItem): DeviceFilter | null {
  if (cause === 'Failed') return { state: 'Failed', code: devicesSearch({ code }).code };
  if (cause === 'Silent' || cause === 'Stuck' || cause === 'Unhealthy') return { is: cause };
  return null;
}
