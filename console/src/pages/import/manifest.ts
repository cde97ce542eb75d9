/** The import manifest that a form and some files make. */

import type { Chosen } from './files';

export interface ManifestForm {
  provider: string;
  name: string;
  version: string;
  description: string;
  handler: string;
  installedCriteria: string;
  /** Of the handler: which file is run, and with what. */
  scriptFileName: string;
  arguments: string;
  compatibility: Record<string, string>[];
}

export const HANDLERS = [
  ['microsoft/script:1', 'A script that is run (microsoft/script:1)'],
  ['microsoft/swupdate:2', 'An image for SWUpdate (microsoft/swupdate:2)'],
  ['microsoft/apt:1', 'Debian packages (microsoft/apt:1)'],
] as const;

export const EMPTY_FORM: ManifestForm = {
  provider: '',
  name: '',
  version: '',
  description: '',
  handler: HANDLERS[0][0],
  installedCriteria: '',
  scriptFileName: '',
  arguments: '',
  compatibility: [],
};

interface Manifest {
  manifestVersion: '5.0';
  updateId: { provider: string; name: string; version: string };
  description?: string;
  compatibility: Record<string, string>[];
  instructions: { steps: unknown[] };
  files: unknown[];
  createdDateTime: string;
}

/** What the form says, as a manifest of version 5.0. */
export function manifestOf(form: ManifestForm, files: Chosen[], createdAt: string): Manifest {
  const properties: Record<string, string> = {
    installedCriteria: form.installedCriteria || form.version,
  };
  if (form.handler !== 'microsoft/apt:1') {
    const script = form.scriptFileName || files[0]?.file.name;
    if (script) properties.scriptFileName = script;
  }
  if (form.arguments) properties.arguments = form.arguments;
  const { provider, name, version } = form;
  return {
    manifestVersion: '5.0',
    updateId: { provider, name, version },
    ...(form.description ? { description: form.description } : {}),
    compatibility: form.compatibility,
    instructions: {
      steps: [
        {
          handler: form.handler,
          files: files.map((each) => each.file.name),
          handlerProperties: properties,
        },
      ],
    },
    files: files.map((each) => ({
      filename: each.file.name,
      sizeInBytes: each.file.size,
      hashes: { sha256: each.sha256 ?? '' },
    })),
    createdDateTime: createdAt,
  };
}

/** The field of the form that a violation at a JSON pointer belongs to. */
export function fieldOf(pointer: string): keyof ManifestForm | null {
  if (pointer.startsWith('/updateId/provider')) return 'provider';
  if (pointer.startsWith('/updateId/name')) return 'name';
  if (pointer.startsWith('/updateId/version')) return 'version';
  if (pointer.startsWith('/description')) return 'description';
  if (pointer.startsWith('/compatibility')) return 'compatibility';
  if (pointer.includes('installedCriteria')) return 'installedCriteria';
  if (pointer.includes('scriptFileName')) return 'scriptFileName';
  if (pointer.includes('handler')) return 'handler';
  return null;
}
