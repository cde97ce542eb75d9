/** The search of the head: whatever has a name, devices by their whole id. */

import { Button } from '@fluentui/react-components';
import { useQuery } from '@tanstack/react-query';
import { useNavigate } from '@tanstack/react-router';
import { type KeyboardEvent, type ReactNode, useEffect, useRef, useState } from 'react';
import { searchQuery } from '../api/fleet';
import { DeploymentsIcon, DevicesIcon, GroupsIcon, SearchIcon, UpdatesIcon } from '../design/icons';
import { useSettled } from '../design/settled';
import { visible } from '../text/format';
import { words } from '../text/words';
import { type Hit, placeOf } from './hits';
import { useInstance } from './me';
import css from './Search.module.css';

export const SEARCH_ID = 'search';
const TYPING_MS = 250;
const ICONS: Record<Hit['kind'], ReactNode> = {
  device: <DevicesIcon />,
  group: <GroupsIcon />,
  deviceClass: <DevicesIcon />,
  deployment: <DeploymentsIcon />,
  update: <UpdatesIcon />,
};

export function Search() {
  const instance = useInstance();
  const navigate = useNavigate();
  const [text, setText] = useState('');
  const [isOpen, setOpen] = useState(false);
  const [active, setActive] = useState(0);
  const [isEager, setEager] = useState(false);
  const box = useRef<HTMLDivElement>(null);
  const wanted = text.trim();
  const settled = useSettled(wanted, TYPING_MS);
  const found = useQuery({
    ...searchQuery(instance, settled),
    enabled: isOpen && settled !== '',
    placeholderData: (before) => before,
  });
  const isSearching = wanted !== settled || found.isFetching;

  const go = (to: () => unknown) => () => {
    setText('');
    setOpen(false);
    setEager(false);
    to();
  };
  const places = wanted
    ? (found.data ?? []).flatMap((hit) => {
        const place = placeOf(instance, hit);
        return place
          ? [
              {
                key: `${hit.kind} ${hit.id} ${hit.link}`,
                icon: ICONS[hit.kind],
                title: visible(hit.title),
                hint: words.search.kinds[hit.kind],
                go: go(() => navigate(place)),
              },
            ]
          : [];
      })
    : [];
  const hits = wanted
    ? [
        ...places,
        {
          key: 'updates',
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
      ]
    : [];
  const told = !wanted
    ? ''
    : isSearching
      ? words.search.searching
      : words.search.found(places.length);

  useEffect(() => {
    if (!isOpen) return;
    const close = (event: PointerEvent) => {
      if (!box.current?.contains(event.target as Node)) setOpen(false);
    };
    addEventListener('pointerdown', close);
    return () => removeEventListener('pointerdown', close);
  }, [isOpen]);

  // Enter came before the answer
  useEffect(() => {
    if (isEager && !isSearching) hits[active]?.go();
  });

  const onKey = (event: KeyboardEvent) => {
    if (event.key === 'ArrowDown') setActive((active + 1) % Math.max(1, hits.length));
    else if (event.key === 'ArrowUp')
      setActive((active + hits.length - 1) % Math.max(1, hits.length));
    else if (event.key === 'Enter' && isSearching) setEager(true);
    else if (event.key === 'Enter') hits[active]?.go();
    else if (event.key === 'Escape') setOpen(false);
    else return;
    event.preventDefault();
  };

  const isListed = isOpen && hits.length > 0;
  return (
    // biome-ignore lint/a11y/noStaticElementInteractions: leaving it closes what is open
    <div
      className={css.box}
      ref={box}
      data-open={isOpen || undefined}
      onBlur={(event) => {
        if (event.relatedTarget && !box.current?.contains(event.relatedTarget)) setOpen(false);
      }}
    >
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
            setEager(false);
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
            key={hit.key}
            id={`hit-${index}`}
            role="option"
            aria-selected={index === active}
            className={css.hit}
            onClick={hit.go}
            onPointerMove={() => setActive(index)}
          >
            <span aria-hidden="true">{hit.icon}</span>
            <bdi className="oneline">{hit.title}</bdi>
            <small className="soft">{hit.hint}</small>
          </div>
        ))}
        <p className={`${css.told} small soft`} aria-hidden="true">
          {told}
        </p>
      </div>
      <span className="hidden" role="status">
        {isOpen ? told : ''}
      </span>
    </div>
  );
}
