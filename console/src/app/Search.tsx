/** The search of the head: groups and updates by what they begin with, devices by their id. */

import { Button } from '@fluentui/react-components';
import { useQuery } from '@tanstack/react-query';
import { useNavigate } from '@tanstack/react-router';
import { type KeyboardEvent, useEffect, useRef, useState } from 'react';
import { groupsQuery } from '../api/queries';
import { DevicesIcon, GroupsIcon, SearchIcon, UpdatesIcon } from '../design/icons';
import { words } from '../text/words';
import { useInstance } from './me';
import css from './Search.module.css';

export const SEARCH_ID = 'search';
const MOST_GROUPS = 6;

export function Search() {
  const instance = useInstance();
  const navigate = useNavigate();
  const [text, setText] = useState('');
  const [isOpen, setOpen] = useState(false);
  const [active, setActive] = useState(0);
  const box = useRef<HTMLDivElement>(null);
  const groups = useQuery({ ...groupsQuery(instance), enabled: isOpen });
  const wanted = text.trim();

  const go = (to: () => unknown) => () => {
    setText('');
    setOpen(false);
    to();
  };
  const hits = wanted
    ? [
        {
          icon: <DevicesIcon />,
          title: words.search.device(wanted),
          hint: words.search.deviceHint,
          go: go(() =>
            navigate({ to: '/$instance/devices/$device', params: { instance, device: wanted } }),
          ),
        },
        {
          icon: <UpdatesIcon />,
          title: words.search.updates(wanted),
          hint: words.search.updatesHint,
          go: go(() =>
            navigate({
              to: '/$instance/updates',
              params: { instance },
              search: { search: wanted },
            }),
          ),
        },
        ...(groups.data ?? [])
          .filter((group) => group.groupId.toLowerCase().includes(wanted.toLowerCase()))
          .slice(0, MOST_GROUPS)
          .map((group) => ({
            icon: <GroupsIcon />,
            title: group.groupId,
            hint: `${words.search.group}, ${words.devices(group.deviceCount)}`,
            go: go(() =>
              navigate({
                to: '/$instance/groups/$group',
                params: { instance, group: group.groupId },
              }),
            ),
          })),
      ]
    : [];

  useEffect(() => {
    if (!isOpen) return;
    const close = (event: PointerEvent) => {
      if (!box.current?.contains(event.target as Node)) setOpen(false);
    };
    addEventListener('pointerdown', close);
    return () => removeEventListener('pointerdown', close);
  }, [isOpen]);

  const onKey = (event: KeyboardEvent) => {
    if (event.key === 'ArrowDown') setActive((active + 1) % Math.max(1, hits.length));
    else if (event.key === 'ArrowUp')
      setActive((active + hits.length - 1) % Math.max(1, hits.length));
    else if (event.key === 'Enter') hits[active]?.go();
    else if (event.key === 'Escape') setOpen(false);
    else return;
    event.preventDefault();
  };

  const isListed = isOpen && hits.length > 0;
  return (
    <div className={css.box} ref={box} data-open={isOpen || undefined}>
      <div className={css.narrow}>
        <Button
          appearance="subtle"
          icon={<SearchIcon />}
          aria-label={words.search.label}
          onClick={() => {
            setOpen(true);
            requestAnimationFrame(() => document.getElementById(SEARCH_ID)?.focus());
          }}
        />
      </div>
      <div className={css.field}>
        <SearchIcon className={css.glass} aria-hidden="true" />
        <input
          id={SEARCH_ID}
          type="text"
          role="combobox"
          aria-label={words.search.label}
          aria-expanded={isListed}
          aria-controls="search-hits"
          aria-activedescendant={isListed ? `hit-${active}` : undefined}
          placeholder={words.search.hint}
          autoComplete="off"
          spellCheck={false}
          value={text}
          onFocus={() => setOpen(true)}
          onChange={(event) => {
            setText(event.target.value);
            setActive(0);
            setOpen(true);
          }}
          onKeyDown={onKey}
        />
        <kbd className={css.key}>/</kbd>
      </div>
      <div
        id="search-hits"
        role="listbox"
        aria-label={words.search.label}
        className={css.hits}
        hidden={!isListed}
      >
        {hits.map((hit, index) => (
          // biome-ignore lint/a11y/useKeyWithClickEvents: the keys are those of the input
          // biome-ignore lint/a11y/useFocusableInteractive: the input keeps the focus
          <div
            key={`${hit.title}${hit.hint}`}
            id={`hit-${index}`}
            role="option"
            aria-selected={index === active}
            className={css.hit}
            onClick={hit.go}
            onPointerMove={() => setActive(index)}
          >
            <span aria-hidden="true">{hit.icon}</span>
            <span className="oneline">{hit.title}</span>
            <small className="soft">{hit.hint}</small>
          </div>
        ))}
      </div>
    </div>
  );
}
