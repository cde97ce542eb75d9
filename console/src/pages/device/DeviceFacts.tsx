/** The facts of a device: what it is, what its agent says of itself, how its last try ended. */

import { useQuery } from '@tanstack/react-query';
import { Link } from '@tanstack/react-router';
import type { ReactNode } from 'react';
import type { Device, DeviceDetails, UpdateInfo } from '../../api/client';
import { healthQuery } from '../../api/devices';
import { useInstance } from '../../app/me';
import { Card } from '../../design/card';
import { StateLabel, type StateName } from '../../design/state';
import { Facts, Foreign, Time, UpdateName } from '../../design/text';
import { visible } from '../../text/format';
import { words } from '../../text/words';
import css from './device.module.css';
import { text } from './text';

export function DeviceFacts({
  device,
  best,
  nameOfClass,
}: {
  device: DeviceDetails;
  best: UpdateInfo | null;
  nameOfClass: string;
}) {
  const instance = useInstance();
  const linked = (update: UpdateInfo | null | undefined) =>
    update ? (
      <Link
        to="/$instance/updates/$provider/$name/$version"
        params={{ instance, ...update.updateId }}
      >
        <UpdateName of={update} />
      </Link>
    ) : (
      <span className="soft">{text.none}</span>
    );
  return (
    <Facts
      facts={[
        [text.installedUpdate, linked(device.installedUpdate)],
        [text.best, linked(best)],
        [
          text.group,
          <Link
            key="group"
            to="/$instance/groups/$group"
            params={{ instance, group: device.groupId }}
          >
            <bdi>{visible(device.groupId)}</bdi>
          </Link>,
        ],
        [
          text.class,
          <Link
            key="class"
            to="/$instance/devices"
            params={{ instance }}
            search={{ class: device.deviceClassId }}
          >
            <bdi>{visible(nameOfClass)}</bdi>
          </Link>,
        ],
        ...(device.moduleId
          ? [[text.module, <bdi key="module">{device.moduleId}</bdi>] as [string, ReactNode]]
          : []),
        [text.connection, <Connection key="connection" of={device} />],
        [text.report, <Time key="report" at={device.lastContactDateTime} />],
        ...(device.agentStartedDateTime
          ? [
              [text.agentStarted, <Time key="agent" at={device.agentStartedDateTime} />] as [
                string,
                ReactNode,
              ],
            ]
          : []),
      ]}
    />
  );
}

function Connection({ of: device }: { of: DeviceDetails }) {
  if (device.isConnected === null || device.isConnected === undefined) return words.notKnown;
  return (
    <>
      {device.isConnected ? text.connected : text.disconnected}
      {device.connectionChangedDateTime && (
        <small className="soft">
          {' '}
          {text.since} <Time at={device.connectionChangedDateTime} />
        </small>
      )}
    </>
  );
}

/** What its agent reports about itself, and the tags of its twin that the service heeds. */
export function Reported({ device }: { device: DeviceDetails }) {
  const parts = [
    { title: text.compatibility, values: device.compatProperties },
    { title: text.agent, values: others(device) },
    { title: text.tags, values: device.tags },
  ];
  return (
    <Card title={text.reported}>
      {parts.map(({ title, values }, index) => (
        <div key={title} className={index > 0 ? css.part : undefined}>
          <h3 className={css.partTitle}>{title}</h3>
          {Object.keys(values).length === 0 ? (
            <p className="soft">{text.none}</p>
          ) : (
            <Facts
              facts={Object.entries(values)
                .sort(([a], [b]) => a.localeCompare(b))
                .map(([name, value]) => [visible(name), <Foreign key={name}>{value}</Foreign>])}
            />
          )}
        </div>
      ))}
    </Card>
  );
}

/** What is reported beside the properties that make the class. */
function others({ compatProperties, deviceProperties }: DeviceDetails): Record<string, string> {
  return Object.fromEntries(
    Object.entries(deviceProperties).filter(([name]) => !(name in compatProperties)),
  );
}

export function LastTry({ device }: { device: Device }) {
  const result = device.lastInstallResult;
  if (!result) return null;
  return (
    <div className={css.part}>
      <h3>{text.lastTry}</h3>
      <Facts
        facts={[
          [text.result, <code key="result">{result.resultCode}</code>],
          ...(result.extendedResultCode
            ? [
                [text.extended, <code key="extended">{hex(result.extendedResultCode)}</code>] as [
                  string,
                  ReactNode,
                ],
              ]
            : []),
          ...(result.resultDetails
            ? [
                [text.details, <Foreign key="details">{result.resultDetails}</Foreign>] as [
                  string,
                  ReactNode,
                ],
              ]
            : []),
        ]}
      />
      {(result.stepResults ?? []).length > 0 && (
        <ol className={css.steps}>
          {result.stepResults?.map((step, index) => (
            // biome-ignore lint/suspicious/noArrayIndexKey: steps are known by their place
            <li key={index}>
              <StateLabel state={resultOf(step.resultCode)} text={text.step(index + 1)} />
              <small className="soft anywhere">
                <code>{step.resultCode}</code>
                {step.extendedResultCode !== 0 && (
                  <>
                    {' '}
                    <code>{hex(step.extendedResultCode)}</code>
                  </>
                )}{' '}
                {step.resultDetails && <Foreign atMost={300}>{step.resultDetails}</Foreign>}
              </small>
            </li>
          ))}
        </ol>
      )}
    </div>
  );
}

/** What a result code says: positive ones are successes, -1 is the agent's for cancelled. */
const resultOf = (code: number): StateName =>
  code > 0 ? 'Succeeded' : code === -1 ? 'Canceled' : 'Failed';

/** An extended result code as its eight digits. */
const hex = (code: number): string => (code >>> 0).toString(16).toUpperCase().padStart(8, '0');

export function Health({ id }: { id: string }) {
  const instance = useInstance();
  const health = useQuery(healthQuery(instance, id));
  const it = health.data?.[0];
  if (!it) return null;
  return (
    <div className={css.part}>
      <h3>{text.health}</h3>
      <ul className={css.checks}>
        {it.healthChecks.map((check) => (
          <li key={check.name}>
            <StateLabel
              state={check.result === 'success' ? 'Succeeded' : 'Failed'}
              text={check.name}
            />
          </li>
        ))}
      </ul>
    </div>
  );
}
