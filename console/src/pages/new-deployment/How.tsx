/** In how many phases, what stops them, and at what hours devices may be asked. */

import {
  Checkbox,
  Field,
  Input,
  Radio,
  RadioGroup,
  Select,
  Switch,
} from '@fluentui/react-components';
import type { Draft } from './draft';
import { More } from './More';
import css from './new-deployment.module.css';
import { Phases } from './PhaseFields';
import { NORMAL, PRESETS, type RolloutDraft } from './rollout';
import { how } from './text';

export function How({ draft, change }: { draft: Draft; change: (part: Draft) => void }) {
  const { rollout } = draft;
  const set = (part: Partial<RolloutDraft>) =>
    change({ rollout: { ...(rollout ?? NORMAL), ...part } });
  const choose = (value: string) => {
    if (value === 'once') change({ rollout: undefined });
    else if (value === 'own') set({ preset: 'own' });
    else set({ preset: value as 'careful', phases: PRESETS[value as 'careful'] });
  };
  return (
    <>
      <RadioGroup
        aria-label={how.title}
        value={rollout ? rollout.preset : 'once'}
        onChange={(_, { value }) => choose(value)}
      >
        <Radio value="once" label={how.once} />
        <Radio value="normal" label={how.normal} />
        <Radio value="careful" label={how.careful} />
        <Radio value="own" label={how.own} />
      </RadioGroup>
      {rollout && (
        <>
          <Phases
            phases={rollout.phases}
            group={draft.group}
            onChange={(phases) => set({ phases, preset: 'own' })}
          />
          <div className={css.pair}>
            <Field label={how.failure} hint={how.failureHint}>
              <Input
                type="number"
                min={0.1}
                max={100}
                step={0.1}
                value={String(rollout.failurePercent)}
                onChange={(_, { value }) => set({ failurePercent: Number(value) })}
              />
            </Field>
            <Field label={how.action}>
              <Select
                value={rollout.action}
                onChange={(_, { value }) => set({ action: value as RolloutDraft['action'] })}
              >
                <option value="Pause">{how.actions.Pause}</option>
                <option value="Abort">{how.actions.Abort}</option>
                {draft.rollback?.update && <option value="Rollback">{how.actions.Rollback}</option>}
              </Select>
            </Field>
            <Field label={how.cap} hint={how.capHint}>
              <Input
                type="number"
                min={1}
                value={rollout.maximumInFlight === null ? '' : String(rollout.maximumInFlight)}
                onChange={(_, { value }) => set({ maximumInFlight: value ? Number(value) : null })}
              />
            </Field>
          </div>
          <Window window={rollout.window} onChange={(window) => set({ window })} />
          <More more={rollout.more ?? {}} onChange={(more) => set({ more })} />
          <Checkbox
            label={how.approval}
            checked={rollout.needsApproval}
            onChange={(_, { checked }) => set({ needsApproval: checked === true })}
          />
        </>
      )}
    </>
  );
}

const NIGHTS = { days: '*', from: '01:00', hours: 4 };

function Window({
  window,
  onChange,
}: {
  window: RolloutDraft['window'];
  onChange: (window: RolloutDraft['window']) => void;
}) {
  return (
    <>
      <Switch
        label={how.window}
        checked={window !== null}
        onChange={(_, { checked }) => onChange(checked ? NIGHTS : null)}
      />
      {window && (
        <div className={css.pair}>
          <Field label={how.days}>
            <Select
              value={window.days}
              onChange={(_, { value }) => onChange({ ...window, days: value })}
            >
              <option value="*">{how.everyDay}</option>
              <option value="mon-fri">{how.weekdays}</option>
              <option value="sat,sun">{how.weekends}</option>
            </Select>
          </Field>
          <Field label={how.from}>
            <Input
              type="time"
              value={window.from}
              onChange={(_, { value }) => onChange({ ...window, from: value })}
            />
          </Field>
          <Field label={how.hours}>
            <Input
              type="number"
              min={1}
              max={168}
              value={String(window.hours)}
              onChange={(_, { value }) => onChange({ ...window, hours: Number(value) })}
            />
          </Field>
        </div>
      )}
    </>
  );
}
