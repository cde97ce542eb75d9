/** The phases of a roll-out: which devices, what lets it go on. */

import { Button, Checkbox, Field, Input, Select } from '@fluentui/react-components';
import { useQuery } from '@tanstack/react-query';
import { classesQuery, className, subgroupsQuery } from '../../api/queries';
import { useInstance } from '../../app/me';
import { AddIcon, DeleteIcon } from '../../design/icons';
import { visible } from '../../text/format';
import css from './new-deployment.module.css';
import { type PhaseDraft, phaseError, SUCCESS_PERCENT } from './rollout';
import { how } from './text';

interface ClassName {
  id: string;
  name: string;
}

export function Phases({
  phases,
  group,
  onChange,
}: {
  phases: PhaseDraft[];
  group: string | undefined;
  onChange: (phases: PhaseDraft[]) => void;
}) {
  const wrong = phaseError(phases);
  const classes = useClassesOf(group);
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
          <Size
            phase={phase}
            classes={classes}
            wrong={wrong?.index === index ? wrong.message : undefined}
            onChange={(part) => edit(index, part)}
          />
          <Field label={how.bake}>
            <Input
              type="number"
              min={0}
              value={String(phase.bakeHours)}
              onChange={(_, { value }) => edit(index, { bakeHours: Math.max(0, Number(value)) })}
            />
          </Field>
          <Field label={how.success}>
            <Input
              type="number"
              min={0}
              max={100}
              step={0.1}
              value={String(phase.successPercent ?? SUCCESS_PERCENT)}
              onChange={(_, { value }) => edit(index, { successPercent: Number(value) })}
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

/** How many devices a phase has: a share, a number, or a class as a whole. */
function Size({
  phase,
  classes,
  wrong,
  onChange,
}: {
  phase: PhaseDraft;
  classes: ClassName[];
  wrong: string | undefined;
  onChange: (part: Partial<PhaseDraft>) => void;
}) {
  const isCount = phase.unit === 'devices';
  return (
    <>
      <Field label={how.unit}>
        <Select
          value={phase.unit ?? 'percent'}
          onChange={(_, { value }) =>
            onChange({ unit: value === 'devices' || value === 'class' ? value : undefined })
          }
        >
          <option value="percent">{how.units.percent}</option>
          <option value="devices">{how.units.devices}</option>
          <option value="class">{how.units.class}</option>
        </Select>
      </Field>
      {phase.unit === 'class' ? (
        <Field label={how.class} validationMessage={wrong}>
          <Select
            value={phase.classId ?? ''}
            onChange={(_, { value }) => onChange({ classId: value || undefined })}
          >
            <option value="">{how.chooseClass}</option>
            {classes.map(({ id, name }) => (
              <option key={id} value={id}>
                {visible(name)}
              </option>
            ))}
          </Select>
        </Field>
      ) : (
        <Field label={isCount ? how.count : how.percent} validationMessage={wrong}>
          <Input
            type="number"
            min={isCount ? 1 : 0.01}
            max={isCount ? undefined : 100}
            step={isCount ? 1 : 0.01}
            value={String(phase.percent)}
            onChange={(_, { value }) => onChange({ percent: Number(value) })}
          />
        </Field>
      )}
    </>
  );
}

/** The device classes of the group, once it is chosen. */
function useClassesOf(group: string | undefined): ClassName[] {
  const instance = useInstance();
  const all = useQuery(classesQuery(instance));
  const here = useQuery({ ...subgroupsQuery(instance, group ?? ''), enabled: Boolean(group) });
  return (here.data ?? []).map(({ deviceClassId: id }) => ({
    id,
    name: className(
      all.data?.find((each) => each.deviceClassId === id),
      id,
    ),
  }));
}
