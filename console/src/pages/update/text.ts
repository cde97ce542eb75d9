import { count, plural } from '../../text/format';

export const text = {
  updates: 'Updates',
  deploy: 'Deploy',
  recall: 'Recall',
  delete: 'Delete',
  files: 'Files',
  compatibility: 'Compatibility',
  steps: 'Steps',
  facts: 'About it',
  imported: 'Imported',
  created: 'Created',
  manifest: 'Manifest version',
  description: 'Description',
  friendly: 'Friendly name',
  scan: 'Scan',
  state: 'State',
  usedBy: 'Part of',
  recalled: (reason: string) => `Recalled: ${reason}`,
  file: 'File',
  size: 'Size',
  verdicts: 'Verdicts',
  hash: 'SHA-256',
  noFiles: 'It has no files of its own',
  anyDevice: 'It only serves as a part of other updates.',
  fits: 'Devices with all of these properties',
  classes: 'Device classes that it fits',
  noClass: 'No known device class fits',
  step: (number: number) => `Step ${number}`,
  refers: 'installs',
  recallTitle: 'Recall this update?',
  recallText:
    'No new deployment can use it, and every running deployment of it is cancelled. Devices that have it keep it. This cannot be undone.',
  reason: 'Reason, for those who find it recalled',
  recallDone: 'The update is recalled',
  deleteTitle: 'Delete this update?',
  deleteText:
    'Its files are removed. The service refuses it while a deployment or another update needs it.',
  deleteDone: 'The update is being deleted',
  whyNotDeploy: 'It cannot be deployed',
  whyNotRecall: 'It is recalled already',
  members: (number: number) => plural(number, 'member', 'members'),
  rules: 'rules',
  clean: 'clean',
  installedOn: 'Installed on',
  deployedTo: 'Deployed to',
  nobody: 'nobody yet',
  related: 'Related files',
} as const;

export const delta = {
  make: 'Make a delta',
  title: 'Make deltas from an older version?',
  text: 'Devices that have that version then download only what differs. The deltas are scanned and attached to this version, which is signed anew; deployments that begin from then on use them.',
  source: 'What devices have',
  noOtherVersion: 'There is no other version to make it from',
  recalled: 'It is recalled: no device is asked to install it',
  related: 'Deltas',
  saves: (size: string, share: string) => `${size}, saves ${share}`,
} as const;

export const own = {
  title: 'Devices with a deployment of their own',
  device: 'Device',
  state: 'State',
  start: 'Start',
  ordered: 'Ordered',
  notAsked: 'Not asked yet',
  notInForce: 'Not in force',
  shown: (rows: number) => `${plural(rows, 'deployment', 'deployments')} shown`,
} as const;

/** What a recall or a deletion would meet. */
export const touches = {
  title: 'It touches',
  devices: (devices: number) =>
    devices === 0
      ? 'no device has it installed'
      : `${plural(devices, 'device has', 'devices have')} it installed`,
  deployments: (deployments: number) =>
    deployments === 0
      ? 'no group has a deployment of it'
      : plural(deployments, 'deployment to a group', 'deployments to groups'),
  own: (listed: number, hasMore: boolean) =>
    hasMore
      ? `${count(listed)} devices and more have a deployment of their own of it`
      : listed === 0
        ? 'no device has a deployment of its own of it'
        : `${plural(listed, 'device has', 'devices have')} a deployment of ${listed === 1 ? 'its' : 'their'} own of it`,
  parents: (parents: number) =>
    `${plural(parents, 'other update installs', 'other updates install')} it as a part`,
  counting: 'What it touches is being counted',
} as const;
