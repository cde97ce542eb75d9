/** The answer to the question that is asked most: why does it not have the newest update? */

import type { ReactNode } from 'react';
import type { Device, UpdateInfo } from '../../api/client';
import { Card } from '../../design/card';
import { StateIcon, type StateName } from '../../design/state';
import { Foreign, Time, UpdateName, updateText } from '../../design/text';
import { words } from '../../text/words';
import css from './device.module.css';
import { text } from './text';

interface Answer {
  title: string;
  next: string;
  isBad?: boolean;
}

/** What decides, from what the device and its class say. */
export function answerOf(device: Device, best: UpdateInfo | null): Answer {
  if (device.onLatestUpdate) return { title: text.hasLatest, next: text.hasLatestText };
  if (!best) return { title: text.noUpdate, next: text.noUpdateText };
  const wanted = device.lastAttemptedUpdate;
  const isAsked = wanted && updateText(wanted.updateId) === updateText(best.updateId);
  if (!isAsked) return { title: text.notAsked, next: text.notAskedText(device.groupId) };
  if (device.deploymentStatus === 'Failed' && device.failure) {
    return { title: device.failure.message, next: device.failure.nextStep, isBad: true };
  }
  if (device.deploymentStatus === 'Canceled')
    return { title: text.canceled, next: text.canceledText };
  return { title: text.inProgress, next: text.inProgressText };
}

interface Check {
  title: string;
  evidence: ReactNode;
  state: StateName;
  decides?: boolean;
}

function checksOf(device: Device, best: UpdateInfo | null): Check[] {
  const wanted = device.lastAttemptedUpdate;
  const isAsked = Boolean(
    best && wanted && updateText(wanted.updateId) === updateText(best.updateId),
  );
  const status = isAsked ? device.deploymentStatus : null;
  const checks: Check[] = [
    {
      title: text.fits,
      evidence: best ? <UpdateName of={best} /> : text.noUpdateText,
      state: best ? 'Succeeded' : 'None',
    },
    {
      title: text.asked,
      evidence:
        isAsked && device.lastDeploymentId ? <code>{device.lastDeploymentId}</code> : text.notAsked,
      state: isAsked ? 'Succeeded' : 'Waiting',
    },
  ];
  const began: StateName =
    status === 'Failed' || status === 'Succeeded' ? 'Succeeded' : status ? 'InProgress' : 'None';
  checks.push({
    title: text.began,
    evidence: status ? <Time at={device.lastContactDateTime} /> : '',
    state: status === 'Canceled' ? 'Canceled' : began,
  });
  checks.push({
    title: text.installed,
    evidence:
      status === 'Failed' && device.failure ? (
        <>
          <code>{device.failure.code}</code> <Foreign>{device.failure.message}</Foreign>
        </>
      ) : (
        ''
      ),
    state: status === 'Failed' ? 'Failed' : device.onLatestUpdate ? 'Succeeded' : 'None',
    decides: status === 'Failed',
  });
  return checks;
}

export function Why({ device, best }: { device: Device; best: UpdateInfo | null }) {
  const answer = answerOf(device, best);
  const title =
    best && !device.onLatestUpdate ? text.why(updateText(best.updateId)) : words.states.OnLatest;
  return (
    <Card title={title} span={8}>
      <p className={css.answer}>
        <Foreign>{answer.title}</Foreign>
      </p>
      <p className={`${css.next} soft`}>{answer.next}</p>
      {best && (
        <ol className={css.chain} aria-label={text.checks}>
          {checksOf(device, best).map((check) => (
            <li key={check.title} className={css.check} data-decides={check.decides || undefined}>
              <StateIcon state={check.state} />
              <span>
                {check.title}
                <span className="hidden">: {words.states[check.state]}</span>
              </span>
              {check.evidence && <small className="soft anywhere">{check.evidence}</small>}
            </li>
          ))}
        </ol>
      )}
    </Card>
  );
}
