/** Settings of a roll-out that most leave as they are. */

import { Checkbox, Field, Input } from '@fluentui/react-components';
import css from './new-deployment.module.css';
import type { MoreDraft } from './rollout';
import { more as text } from './text';

export function More({ more, onChange }: { more: MoreDraft; onChange: (more: MoreDraft) => void }) {
  const set = (part: MoreDraft) => onChange({ ...more, ...part });
  const number = (name: 'priority' | 'perMinute' | 'silentDays' | 'stuckHours', most: number) => (
    <Field label={text[name]} hint={text.hints[name]}>
      <Input
        type="number"
        min={name === 'priority' ? 0 : 1}
        max={most}
        value={more[name] === undefined ? '' : String(more[name])}
        onChange={(_, { value }) => set({ [name]: value === '' ? undefined : Number(value) })}
      />
    </Field>
  );
  return (
    <details className={css.more} open={Object.keys(more).length > 0 || undefined}>
      <summary>{text.title}</summary>
      <div className={css.pair}>
        {number('priority', 1000)}
        {number('perMinute', 1_000_000)}
        {number('silentDays', 365)}
        {number('stuckHours', 8760)}
      </div>
      <Checkbox
        label={text.cancelsStuck}
        checked={more.cancelsStuck ?? false}
        onChange={(_, { checked }) => set({ cancelsStuck: checked === true || undefined })}
      />
      <Checkbox
        label={text.ignoresDeviceWindow}
        checked={more.ignoresDeviceWindow ?? false}
        onChange={(_, { checked }) => set({ ignoresDeviceWindow: checked === true || undefined })}
      />
    </details>
  );
}
