/** The form that makes an import manifest; each violation stands beside its field. */

import { Button, Checkbox, Field, Input, Select } from '@fluentui/react-components';
import { useState } from 'react';
import { className } from '../../api/queries';
import { useClasses } from '../../app/classes';
import { Card } from '../../design/card';
import { visible } from '../../text/format';
import type { Chosen } from './files';
import css from './import.module.css';
import { fieldOf, HANDLERS, type ManifestForm } from './manifest';
import { wizard } from './text';
import type { Findings } from './validation';

interface Props {
  form: ManifestForm;
  onChange: (change: Partial<ManifestForm>) => void;
  files: Chosen[];
  friendlyName: string;
  onFriendlyName: (value: string) => void;
  findings: Findings | undefined;
}

export function ManifestFields(props: Props) {
  const { form, onChange, files, findings, friendlyName, onFriendlyName } = props;
  const wrong = (field: keyof ManifestForm) =>
    findings?.violations.find((each) => fieldOf(each.target ?? '') === field)?.message;
  const line = (
    field: 'provider' | 'name' | 'version' | 'description' | 'installedCriteria' | 'arguments',
    label: string,
    hint?: string,
    isRequired = false,
  ) => (
    <Field label={label} hint={hint} required={isRequired} validationMessage={wrong(field)}>
      <Input
        value={form[field]}
        onChange={(_, { value }) => onChange({ [field]: value })}
        autoComplete="off"
        spellCheck={false}
      />
    </Field>
  );
  return (
    <>
      <Card title={wizard.what}>
        <div className={css.three}>
          {line('provider', wizard.provider, wizard.providerHint, true)}
          {line('name', wizard.name, wizard.nameHint, true)}
          {line('version', wizard.version, wizard.versionHint, true)}
        </div>
        <div className={css.two}>
          {line('description', wizard.description)}
          <Field label={wizard.friendly}>
            <Input value={friendlyName} onChange={(_, { value }) => onFriendlyName(value)} />
          </Field>
        </div>
      </Card>
      <Card title={wizard.fits}>
        <Compatibility form={form} onChange={onChange} error={wrong('compatibility')} />
      </Card>
      <Card title={wizard.how}>
        <div className={css.two}>
          <Field label={wizard.handler} validationMessage={wrong('handler')}>
            <Select value={form.handler} onChange={(_, { value }) => onChange({ handler: value })}>
              {HANDLERS.map(([value, label]) => (
                <option key={value} value={value}>
                  {label}
                </option>
              ))}
            </Select>
          </Field>
          {form.handler !== 'microsoft/apt:1' && (
            <Field label={wizard.script} validationMessage={wrong('scriptFileName')}>
              <Select
                value={form.scriptFileName}
                onChange={(_, { value }) => onChange({ scriptFileName: value })}
              >
                <option value="">{wizard.first}</option>
                {files.map((each) => (
                  <option key={each.id} value={each.file.name}>
                    {visible(each.file.name)}
                  </option>
                ))}
              </Select>
            </Field>
          )}
          {line('installedCriteria', wizard.criteria, wizard.criteriaHint)}
          {line('arguments', wizard.arguments)}
        </div>
      </Card>
    </>
  );
}

function Compatibility({
  form,
  onChange,
  error,
}: {
  form: ManifestForm;
  onChange: Props['onChange'];
  error: string | undefined;
}) {
  const classes = useClasses();
  const [manufacturer, setManufacturer] = useState('');
  const [model, setModel] = useState('');
  const has = (wanted: Record<string, string>) =>
    form.compatibility.some((each) => same(each, wanted));
  const toggle = (wanted: Record<string, string>) =>
    onChange({
      compatibility: has(wanted)
        ? form.compatibility.filter((each) => !same(each, wanted))
        : [...form.compatibility, wanted],
    });
  const known = (classes.data ?? []).map((each) => each.deviceClassProperties.compatProperties);
  const others = form.compatibility.filter((each) => !known.some((one) => same(one, each)));
  return (
    <Field hint={wizard.fitsHint} validationMessage={error}>
      {() => (
        <div>
          {classes.data?.map((each) => (
            <div key={each.deviceClassId}>
              <Checkbox
                label={visible(className(each, each.deviceClassId))}
                checked={has(each.deviceClassProperties.compatProperties)}
                onChange={() => toggle(each.deviceClassProperties.compatProperties)}
              />
            </div>
          ))}
          {classes.data?.length === 0 && <p className="soft">{wizard.noClasses}</p>}
          {others.map((each) => (
            <div key={JSON.stringify(each)}>
              <Checkbox
                label={Object.entries(each)
                  .map(([name, value]) => `${name} = ${value}`)
                  .join(', ')}
                checked
                onChange={() => toggle(each)}
              />
            </div>
          ))}
          <div className={css.three}>
            <Input
              aria-label={wizard.manufacturer}
              placeholder={wizard.manufacturer}
              value={manufacturer}
              onChange={(_, { value }) => setManufacturer(value)}
            />
            <Input
              aria-label={wizard.model}
              placeholder={wizard.model}
              value={model}
              onChange={(_, { value }) => setModel(value)}
            />
            <div>
              <Button
                disabled={!manufacturer || !model}
                onClick={() => {
                  toggle({ manufacturer, model });
                  setManufacturer('');
                  setModel('');
                }}
              >
                {wizard.add}
              </Button>
            </div>
          </div>
        </div>
      )}
    </Field>
  );
}

function same(a: Record<string, string>, b: Record<string, string>): boolean {
  const names = Object.keys(a);
  return names.length === Object.keys(b).length && names.every((name) => a[name] === b[name]);
}
