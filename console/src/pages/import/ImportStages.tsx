/** The four stages of an import, each in the colour of how it stands. */

import type { Operation } from '../../api/client';
import { Pill, type Tone } from '../../design/state';
import { bytes, count } from '../../text/format';
import css from './import.module.css';

export const STAGES = ['fetch', 'scan', 'sign', 'publish'] as const;
export type Stage = (typeof STAGES)[number];

export const stageText: Record<Stage, string> = {
  fetch: 'Fetch',
  scan: 'Scan',
  sign: 'Sign',
  publish: 'Publish',
};

const MALWARE = /Malware|Unscannable|Scan/;

/** How a stage stands: done, now, failed here, or not yet. */
export function stageState(
  operation: Operation,
  stage: Stage,
): 'done' | 'now' | 'failed' | 'not yet' {
  if (operation.status === 'Succeeded') return 'done';
  const reached = reachedStage(operation);
  const distance = STAGES.indexOf(stage) - STAGES.indexOf(reached);
  if (distance < 0) return 'done';
  if (distance > 0) return 'not yet';
  return operation.status === 'Failed' ? 'failed' : 'now';
}

function reachedStage(operation: Operation): Stage {
  const known = STAGES.find((stage) => stage === operation.stage);
  if (known) return known;
  const inner = operation.error?.innererror?.code ?? operation.error?.code ?? '';
  return MALWARE.test(inner) ? 'scan' : 'fetch';
}

const TONES: Record<ReturnType<typeof stageState>, Tone> = {
  done: 'ok',
  now: 'run',
  failed: 'bad',
  'not yet': 'wait',
};

export function ImportStages({ operation }: { operation: Operation }) {
  return (
    <ol className={css.stages}>
      {STAGES.map((stage) => {
        const state = stageState(operation, stage);
        return (
          <li key={stage}>
            <Pill tone={TONES[state]}>
              {stageText[stage]}
              <span className="hidden">: {state}</span>
            </Pill>
          </li>
        );
      })}
    </ol>
  );
}

/** What an import does now, in figures. */
export function progressText(operation: Operation): string {
  const { stage, bytesDone, bytesTotal, filesScanned, filesTotal, awaitedFiles } = operation;
  if (awaitedFiles?.length) return `Waiting for the verdict on ${count(awaitedFiles.length)} files`;
  if (stage === 'scan' && filesTotal)
    return `Scanning: ${filesScanned ?? 0} of ${filesTotal} files`;
  if (stage === 'fetch' && bytesTotal) {
    return `Fetching: ${bytes(bytesDone ?? 0)} of ${bytes(bytesTotal)}`;
  }
  return operation.status === 'NotStarted' ? 'Waiting to begin' : 'Running';
}
