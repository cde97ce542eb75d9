/** Devices as rows: state, why, what is installed. */

import type { Device } from '../../api/client';
import { DeviceName } from '../../design/device';
import { StateLabel, type StateName } from '../../design/state';
import { type Choice, type Column, Table } from '../../design/table';
import { Foreign, Time } from '../../design/text';
import { visible } from '../../text/format';
import { text } from './text';

/** The state of a device as a list shows it. */
export function deviceState(device: Device): StateName {
  if (device.deploymentStatus) return device.deploymentStatus;
  if (device.onLatestUpdate) return 'OnLatest';
  return 'None';
}

/** Why a device stands as it does, in a few words; nothing where that says itself. */
export function shortWhy(device: Device): string {
  if (device.deploymentStatus === 'Failed') return device.failure?.message ?? '';
  const { lastAttemptedUpdate: wanted } = device;
  if (device.deploymentStatus === 'InProgress' && wanted) {
    return `Working on ${wanted.updateId.name} ${wanted.updateId.version}`;
  }
  if (device.deploymentStatus === 'Canceled' && wanted) {
    return `${wanted.updateId.name} ${wanted.updateId.version} was cancelled`;
  }
  return '';
}

export function DeviceTable({
  devices,
  nameOfClass,
  choice,
}: {
  devices: Device[];
  nameOfClass: (id: string) => string;
  choice?: Choice;
}) {
  const { columns: head } = text;
  const columns: Column<Device>[] = [
    {
      head: head.device,
      narrow: 'title',
      cell: (device) => <DeviceName of={device} title={visible(device.deviceId)} />,
    },
    {
      head: head.state,
      narrow: 'state',
      cell: (device) => <StateLabel state={deviceState(device)} />,
    },
    {
      head: head.why,
      narrow: 'line',
      grows: true,
      cell: (device) => shortWhy(device) && <Foreign atMost={300}>{shortWhy(device)}</Foreign>,
    },
    {
      head: head.installed,
      narrow: 'fact',
      cell: ({ installedUpdate }) =>
        installedUpdate ? (
          <bdi>
            {visible(installedUpdate.updateId.name)}{' '}
            <b>{visible(installedUpdate.updateId.version)}</b>
          </bdi>
        ) : (
          <span className="soft">{text.noUpdate}</span>
        ),
    },
    { head: head.class, cell: (device) => <bdi>{visible(nameOfClass(device.deviceClassId))}</bdi> },
    { head: head.group, cell: (device) => <bdi>{visible(device.groupId)}</bdi> },
    {
      head: head.report,
      isNumber: true,
      cell: (device) => <Time at={device.lastContactDateTime} />,
    },
  ];
  return (
    <Table
      label={text.title}
      columns={columns}
      rows={devices}
      keyOf={(device) =>
        device.moduleId ? `${device.deviceId}/${device.moduleId}` : device.deviceId
      }
      choice={choice}
    />
  );
}
