/** Where files are dropped or chosen, and those that are. */

import { Button } from '@fluentui/react-components';
import { type DragEvent, useRef, useState } from 'react';
import { Meter } from '../../design/bars';
import { DeleteIcon, ImportIcon } from '../../design/icons';
import { StateIcon } from '../../design/state';
import { Foreign } from '../../design/text';
import { bytes, percent } from '../../text/format';
import type { Chosen } from './files';
import css from './import.module.css';
import { wizard } from './text';

export function FileList({
  files,
  onAdd,
  onRemove,
}: {
  files: Chosen[];
  onAdd: (files: Iterable<File>) => void;
  onRemove: (id: string) => void;
}) {
  const input = useRef<HTMLInputElement>(null);
  const [isOver, setOver] = useState(false);
  const drop = (event: DragEvent) => {
    event.preventDefault();
    setOver(false);
    onAdd(event.dataTransfer.files);
  };
  return (
    <>
      {/* biome-ignore lint/a11y/noStaticElementInteractions: the button within does the same */}
      <div
        className={css.drop}
        data-over={isOver || undefined}
        onDragOver={(event) => {
          event.preventDefault();
          setOver(true);
        }}
        onDragLeave={() => setOver(false)}
        onDrop={drop}
      >
        <ImportIcon aria-hidden="true" />
        <span>{wizard.drop}</span>
        <Button size="small" onClick={() => input.current?.click()}>
          {wizard.choose}
        </Button>
        <small className="soft">{wizard.dropHint}</small>
        <input
          ref={input}
          type="file"
          multiple
          hidden
          data-testid="files"
          onChange={(event) => {
            if (event.target.files) onAdd(event.target.files);
            event.target.value = '';
          }}
        />
      </div>
      <ul className={css.files}>
        {files.map((each) => (
          <li key={each.id}>
            <StateIcon state={each.sha256 ? 'Succeeded' : 'InProgress'} />
            <span className="anywhere">
              <Foreign>{each.file.name}</Foreign>{' '}
              <small className="soft">
                {bytes(each.file.size)}
                {!each.sha256 && `, ${wizard.hashing(percent(each.bytesHashed, each.file.size))}`}
              </small>
              {!each.sha256 && each.file.size > 32 << 20 && (
                <Meter
                  value={each.bytesHashed}
                  total={each.file.size}
                  tone="run"
                  label={wizard.hashing(percent(each.bytesHashed, each.file.size))}
                />
              )}
            </span>
            <Button
              appearance="subtle"
              icon={<DeleteIcon />}
              aria-label={wizard.remove(each.file.name)}
              onClick={() => onRemove(each.id)}
            />
          </li>
        ))}
      </ul>
    </>
  );
}
