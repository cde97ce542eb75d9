/** What the service says would happen: phases with their devices, who is left out, warnings. */

import type { Plan } from '../../api/rollouts';
import { StateIcon } from '../../design/state';
import { Foreign, Time } from '../../design/text';
import { count, visible } from '../../text/format';
import { isoDuration } from '../../text/iso-duration';
import css from './new-deployment.module.css';
import { plan as text } from './text';

export function PlanView({ plan }: { plan: Plan }) {
  return (
    <div className={css.plan}>
      {plan.phases.length > 1 && (
        <ol className={css.planned}>
          {plan.phases.map((phase, index) => (
            // biome-ignore lint/suspicious/noArrayIndexKey: phases are known by their place
            <li key={index}>
              <span>
                {index + 1}. <bdi>{visible(phase.name)}</bdi>
                <small className="soft">
                  {phase.waitsForPerson ? text.waits : phase.opensAt && <Time at={phase.opensAt} />}
                  {phase.bake !== 'PT0S' && `, ${text.bake(isoDuration(phase.bake))}`}
                </small>
              </span>
              <b title={text.range(count(phase.devices.least), count(phase.devices.most))}>
                {count(phase.devices.expected)}
              </b>
            </li>
          ))}
        </ol>
      )}
      {plan.notTargeted.length > 0 && (
        <ul className={css.reasons}>
          {plan.notTargeted.map((reason) => (
            <li key={reason.code + reason.message}>
              <StateIcon state="Canceled" />
              <span className="small">
                <b>{count(reason.devices)}</b> <Foreign atMost={300}>{reason.message}</Foreign>
              </span>
            </li>
          ))}
        </ul>
      )}
      {plan.warnings.length > 0 && (
        <ul className={css.reasons}>
          {plan.warnings.map((warning) => (
            <li key={warning.code + warning.message}>
              <StateIcon state="Stuck" />
              <span className="small">
                <Foreign atMost={400}>{warning.message}</Foreign>
              </span>
            </li>
          ))}
        </ul>
      )}
      {plan.needsApproval && (
        <p className="small">
          <StateIcon state="Waiting" /> {text.approval}
        </p>
      )}
      {plan.estimatedEnd && (
        <p className="small soft">
          {text.end} <Time at={plan.estimatedEnd} />
        </p>
      )}
    </div>
  );
}
