/** A row of filters, and those in force as tags that can be taken off. */

import { Input, Select } from '@fluentui/react-components';
import { type ReactNode, useEffect, useState } from 'react';
import { words } from '../text/words';
import css from './filters.module.css';
import { CloseIcon, SearchIcon } from './icons';

const TYPING_MS = 350;

export const Filters = ({ children, side }: { children: ReactNode; side?: ReactNode }) => (
  <div className={css.row}>
    <div className={css.fields}>{children}</div>
    {side && <div className={css.side}>{side}</div>}
  </div>
);

/** A choice of one of some values, or of all. */
export function Choose({
  label,
  value,
  options,
  onChange,
  isAlwaysSet = false,
}: {
  label: string;
  value: string | undefined;
  options: readonly (readonly [value: string, text: string])[];
  onChange: (value: string | undefined) => void;
  /** Whether there is no choice of all. */
  isAlwaysSet?: boolean;
}) {
  return (
    <div className={css.choose}>
      <Select
        aria-label={label}
        value={value ?? ''}
        onChange={(_, data) => onChange(data.value || undefined)}
      >
        {!isAlwaysSet && <option value="">{label}</option>}
        {options.map(([key, text]) => (
          <option key={key} value={key}>
            {text}
          </option>
        ))}
      </Select>
    </div>
  );
}

/** A text that is looked for shortly after the last key. */
export function SearchField({
  label,
  value,
  onChange,
}: {
  label: string;
  value: string | undefined;
  onChange: (value: string | undefined) => void;
}) {
  const [text, setText] = useState(value ?? '');
  useEffect(() => setText(value ?? ''), [value]);
  useEffect(() => {
    if (text === (value ?? '')) return;
    const timer = setTimeout(() => onChange(text.trim() || undefined), TYPING_MS);
    return () => clearTimeout(timer);
  }, [text, value, onChange]);
  return (
    <div className={css.search}>
      <Input
        type="search"
        aria-label={label}
        placeholder={label}
        contentBefore={<SearchIcon aria-hidden="true" />}
        value={text}
        autoComplete="off"
        spellCheck={false}
        onChange={(_, data) => setText(data.value)}
      />
    </div>
  );
}

export function Tags({
  tags,
  onClear,
}: {
  tags: { text: string; onRemove: () => void }[];
  onClear: () => void;
}) {
  if (tags.length === 0) return null;
  return (
    <ul className={css.tags}>
      {tags.map((tag) => (
        <li key={tag.text} className={css.tag}>
          <bdi>{tag.text}</bdi>
          <button type="button" onClick={tag.onRemove} aria-label={`Remove: ${tag.text}`}>
            <CloseIcon aria-hidden="true" />
          </button>
        </li>
      ))}
      <li>
        <button type="button" className={css.clear} onClick={onClear}>
          {words.actions.clearFilters}
        </button>
      </li>
    </ul>
  );
}

/** Tabs that are links: which one is open is part of the address. */
export function Tabs<T extends string>({
  label,
  tabs,
  current,
  onChange,
}: {
  label: string;
  tabs: { key: T; text: string; count?: number }[];
  current: T;
  onChange: (key: T) => void;
}) {
  const move = (step: number) => {
    const index = tabs.findIndex((tab) => tab.key === current);
    const next = tabs[(index + step + tabs.length) % tabs.length]!;
    onChange(next.key);
    document.getElementById(`tab-${next.key}`)?.focus();
  };
  return (
    <div role="tablist" aria-label={label} className={css.tabs}>
      {tabs.map((tab) => (
        <button
          key={tab.key}
          id={`tab-${tab.key}`}
          type="button"
          role="tab"
          aria-selected={tab.key === current}
          tabIndex={tab.key === current ? 0 : -1}
          onClick={() => onChange(tab.key)}
          onKeyDown={(event) => {
            if (event.key === 'ArrowRight') move(1);
            if (event.key === 'ArrowLeft') move(-1);
          }}
        >
          {tab.text}
          {tab.count !== undefined && <span className={css.count}>{tab.count}</span>}
        </button>
      ))}
    </div>
  );
}
