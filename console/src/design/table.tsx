/** Tables: rows of a page of the server; on a narrow screen each row becomes two or three lines. */

import { Button, Checkbox } from '@fluentui/react-components';
import type { ReactNode } from 'react';
import { words } from '../text/words';
import css from './table.module.css';

export interface Column<T> {
  head: string;
  cell: (row: T) => ReactNode;
  /** Where it goes on a narrow screen; columns without a place are left out there. */
  narrow?: 'title' | 'state' | 'line' | 'fact';
  isNumber?: boolean;
  /** Whether it takes the room that is left, cut off with an ellipsis. */
  grows?: boolean;
  /** A width in CSS. */
  width?: string;
}

export interface Choice {
  chosen: ReadonlySet<string>;
  onChange: (chosen: Set<string>) => void;
  nameOf: (key: string) => string;
}

export function Table<T>({
  label,
  columns,
  rows,
  keyOf,
  choice,
}: {
  label: string;
  columns: Column<T>[];
  rows: T[];
  keyOf: (row: T) => string;
  choice?: Choice;
}) {
  const keys = rows.map(keyOf);
  return (
    <div className={css.frame}>
      <table className={css.table} aria-label={label}>
        <thead>
          <tr>
            {choice && (
              <th scope="col" className={css.choose}>
                <ChooseAll keys={keys} choice={choice} />
              </th>
            )}
            {columns.map((column) => (
              <th
                key={column.head}
                scope="col"
                className={column.isNumber ? 'number' : undefined}
                style={{ inlineSize: column.width ?? (column.grows ? '99%' : undefined) }}
              >
                {column.head}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {rows.map((row, index) => (
            <tr key={keys[index]} data-chosen={choice?.chosen.has(keys[index]!) || undefined}>
              {choice && (
                <td className={css.choose}>
                  <Choose rowKey={keys[index]!} choice={choice} />
                </td>
              )}
              {columns.map((column) => (
                <td
                  key={column.head}
                  className={[
                    column.isNumber ? 'number' : '',
                    column.narrow ? css[column.narrow] : css.wide,
                    column.grows ? css.grow : '',
                  ].join(' ')}
                  data-head={column.head}
                >
                  {column.cell(row)}
                </td>
              ))}
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}

function ChooseAll({ keys, choice }: { keys: string[]; choice: Choice }) {
  const here = keys.filter((key) => choice.chosen.has(key)).length;
  const checked = here === 0 ? false : here === keys.length ? true : 'mixed';
  return (
    <Checkbox
      aria-label="Choose all of this page"
      checked={checked}
      onChange={() => choice.onChange(new Set(here === keys.length ? [] : keys))}
    />
  );
}

function Choose({ rowKey, choice }: { rowKey: string; choice: Choice }) {
  const isChosen = choice.chosen.has(rowKey);
  const change = () => {
    const next = new Set(choice.chosen);
    if (isChosen) next.delete(rowKey);
    else next.add(rowKey);
    choice.onChange(next);
  };
  return (
    <Checkbox aria-label={`Choose ${choice.nameOf(rowKey)}`} checked={isChosen} onChange={change} />
  );
}

/** Next and previous of a list that the server pages forward by tokens. */
export function Pager({
  text,
  hasPrevious,
  hasNext,
  onPrevious,
  onNext,
}: {
  text: string;
  hasPrevious: boolean;
  hasNext: boolean;
  onPrevious: () => void;
  onNext: () => void;
}) {
  return (
    <div className={css.pager}>
      <span className="small soft">{text}</span>
      {(hasPrevious || hasNext) && (
        <span className={css.buttons}>
          <Button size="small" disabled={!hasPrevious} onClick={onPrevious}>
            {words.actions.previous}
          </Button>
          <Button size="small" disabled={!hasNext} onClick={onNext}>
            {words.actions.next}
          </Button>
        </span>
      )}
    </div>
  );
}
