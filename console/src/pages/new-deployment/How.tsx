/** In how many phases, what stops them, and at what hours devices may be asked. */

import {
  Button,
  Checkbox,
  Field,
  Input,
  Radio,
  RadioGroup,
  Select,
  Switch,
} from '@fluentui/react-components';
import { AddIcon, DeleteIcon } from '../../design/icons';
import type { Draft } from './draft';
import css from './new-deployment.module.css';
import { NORMAL, type PhaseDraft, PRESETS, phaseError, type RolloutDraft } from './rollout';
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
          <Phases phases={rollout.phases} onChange={(phases) => set({ phases, preset: 'own' })} />
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

function Phases({
  phases,
  onChange,
}: {
  phases: PhaseDraft[];
  onChange: (phases: PhaseDraft[]) => void;
}) {
  const wrong = phaseError(phases);
  const edit = (index: number, part: Partial<PhaseDraft>) =>
    onChange(phases.map((each, at) => (at === index ? { ...each, ...part } : each)));
  return (
    <div className={css.phases}>
      {phases.map((phase, index) => (
        // biome-ignore lint/suspicious/noArrayIndexKey: phases are known by their place
        <fieldset key={index} className={css.phase}>
          <legend>{how.phase(index + 1)}</legend>
          <Field label={how.name}>
            <Input value={phase.name} onChange={(_, { value }) => edit(index, { name: value })} />
          </Field>
          <Field label={how.unit}>
            <Select
              value={phase.unit ?? 'percent'}
              onChange={(_, { value }) =>
                edit(index, { unit: value === 'devices' ? value : undefined })
              }
            >
              <option value="percent">{how.units.percent}</option>
              <option value="devices">{how.units.devices}</option>
            </Select>
          </Field>
          <Field
            label={phase.unit === 'devices' ? how.count : how.percent}
            validationMessage={wrong?.index === index ? wrong.message : undefined}
          >
            <Input
              type="number"
              min={phase.unit === 'devices' ? 1 : 0.01}
              max={phase.unit === 'devices' ? undefined : 100}
              step={phase.unit === 'devices' ? 1 : 0.01}
              value={String(phase.percent)}
              onChange={(_, { value }) => edit(index, { percent: Number(value) })}
            />
          </Field>
          <Field label={how.bake}>
            <Input
              type="number"
              min={0}
              value={String(phase.bakeHours)}
              onChange={(_, { value }) => edit(index, { bakeHours: Math.max(0, Number(value)) })}
            />
          </Field>
          <Checkbox
            label={how.manual}
            checked={phase.isManual}
            onChange={(_, { checked }) => edit(index, { isManual: checked === true })}
          />
          <Button
            appearance="subtle"
            icon={<DeleteIcon />}
            aria-label={how.remove(index + 1)}
            disabled={phases.length === 1}
            onClick={() => onChange(phases.filter((_, at) => at !== index))}
          />
        </fieldset>
      ))}
      <div>
        <Button
          size="small"
          icon={<AddIcon />}
          onClick={() =>
            onChange([...phases, { name: '', percent: 100, bakeHours: 0, isManual: false }])
          }
        >
          {how.add}
        </Button>
      </div>
    </div>
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
