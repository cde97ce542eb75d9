import { count, plural } from '../../text/format';

export const text = {
  title: 'Devices',
  inAll: (total: number) => `${count(total)} in all`,
  matching: (part: number, total: number) => `${count(part)} of ${count(total)}`,
  starts: 'Id begins with',
  group: 'Group',
  class: 'Class',
  state: 'State',
  states: {
    Failed: 'Failed',
    InProgress: 'In progress',
    Succeeded: 'Succeeded',
    Canceled: 'Cancelled',
    None: 'No deployment yet',
  },
  conditions: {
    Stuck: 'Stuck: at work for a day or more',
    Silent: 'Silent: no report for a week',
    Unhealthy: 'Not healthy',
  },
  more: 'More filters',
  installed: 'Installed',
  latest: 'Latest or not',
  latests: [
    ['yes', 'On the latest'],
    ['no', 'Newer available'],
  ] as const,
  quiet: 'Last report',
  quiets: [
    ['1', 'a day ago or longer'],
    ['7', '7 days ago or longer'],
    ['30', '30 days ago or longer'],
    ['90', '90 days ago or longer'],
  ] as const,
  connection: 'Connection',
  connections: [
    ['yes', 'Connected'],
    ['no', 'Not connected'],
  ] as const,
  tags: {
    starts: (prefix: string) => `Id begins with ${prefix}`,
    state: (name: string) => `State is ${name}`,
    group: (name: string) => `Group is ${name}`,
    class: (name: string) => `Class is ${name}`,
    code: (code: string) => `Failed with ${code}`,
    installed: (update: string) => `Installed is ${update}`,
    quiet: (days: number) => `No report for ${plural(days, 'day', 'days')}`,
  },
  columns: {
    device: 'Device',
    state: 'State',
    why: 'Why',
    installed: 'Installed',
    class: 'Class',
    group: 'Group',
    report: 'Last report',
  },
  noUpdate: 'none known',
  none: 'No device has reported yet',
  noneHint:
    'A device appears here by itself once its agent reports through your IoT hub. Nothing has to be registered here.',
  noneMatch: 'No device is like that',
  rows: (rows: number, before: number, isLast: boolean) =>
    `Rows ${count(before + 1)} to ${count(before + rows)}${isLast ? '' : ', more follow'}`,
  chosen: (devices: number) => plural(devices, 'device chosen', 'devices chosen'),
  chooseFirst: 'Choose devices first',
  collect: 'Collect logs',
  unclear: 'The page is not known any more; this is the first one.',
} as const;

export const bulk = {
  verbs: { retry: 'Retry', exclude: 'Exclude' },
  titles: {
    retry: (devices: number) => `Try again on ${plural(devices, 'device', 'devices')}?`,
    exclude: (devices: number) => `Exclude ${plural(devices, 'device', 'devices')}?`,
  },
  texts: {
    retry: 'Each is asked once more for what failed there last. Others are left as they are.',
    exclude:
      'They are not asked any more by any deployment, also those to come, until somebody includes them again.',
  },
  reason: 'Reason',
  progress: (done: number, all: number) => `${count(done)} of ${count(all)} done`,
  did: (done: number) => `Done for ${plural(done, 'device', 'devices')}`,
  refused: (devices: number) => `Refused for ${plural(devices, 'device', 'devices')}:`,
  whyNoRetry: 'None of those chosen has failed',
} as const;

export const exporting = {
  devices: 'Devices',
  export: 'Export',
  title: 'Export devices?',
  all: 'All devices of the instance are written into a file.',
  filtered: 'The devices that the filters select are written into a file, all pages of them.',
  whyNot: 'There is no device to export',
  format: 'Format',
  formats: {
    csv: 'CSV, for spreadsheets and scripts',
    parquet: 'Parquet, for analysis',
  },
  run: 'Export of devices',
  states: {
    NotStarted: 'Waiting to begin',
    Running: 'Being written',
    Succeeded: 'Written',
    Failed: 'Failed',
  } as const,
  written: 'Devices written',
  which: 'Which devices',
  allDevices: 'all',
  started: 'Started',
  last: 'Last sign of life',
  id: 'Id',
  download: 'Download',
  notYet: 'The file is not whole yet',
  noFile: 'It has no file, as it failed',
} as const;
