/** Cards, and what they show while there is nothing to show. */

import { Button } from '@fluentui/react-components';
import { type ReactNode, useEffect, useId, useState } from 'react';
import { ApiError } from '../api/errors';
import { hourAndMinute, visible } from '../text/format';
import { words } from '../text/words';
import css from './card.module.css';
import { StateIcon } from './state';

export function Card({
  title,
  side,
  children,
  span = 12,
  isFlush = false,
}: {
  title?: ReactNode;
  /** At the right of the title: a figure or a link. */
  side?: ReactNode;
  children: ReactNode;
  /** How many of the twelve columns it takes. */
  span?: number;
  /** Whether its content reaches to its edges, as a table does. */
  isFlush?: boolean;
}) {
  const id = useId();
  return (
    <section
      className={`${css.card} ${css[`span${span}`] ?? ''} ${isFlush ? css.flush : ''}`}
      aria-labelledby={title ? id : undefined}
    >
      {title && (
        <div className={css.head}>
          <h2 id={id}>{title}</h2>
          {side && <div className={css.side}>{side}</div>}
        </div>
      )}
      {children}
    </section>
  );
}

export const Grid = ({ children }: { children: ReactNode }) => (
  <div className={css.grid}>{children}</div>
);

/** A block of the final height, shown only when reading takes longer than a glance. */
export function Skeleton({ height = 120 }: { height?: number }) {
  const [isLate, setLate] = useState(false);
  useEffect(() => {
    const timer = setTimeout(() => setLate(true), 150);
    return () => clearTimeout(timer);
  }, []);
  return (
    <div className={css.waiting} style={{ minBlockSize: height }} aria-busy="true">
      {isLate &&
        [88, 64, 76].map((width) => (
          <span key={width} className={css.bone} style={{ inlineSize: `${width}%` }} />
        ))}
    </div>
  );
}

export function Empty({
  icon,
  title,
  children,
  action,
  isSmall = false,
}: {
  icon?: ReactNode;
  title: string;
  children?: ReactNode;
  action?: ReactNode;
  /** On one line, where that nothing is there is the normal thing. */
  isSmall?: boolean;
}) {
  return (
    <div className={`${css.empty} ${isSmall ? css.small : ''}`}>
      {icon && (
        <span className={css.emptyIcon} aria-hidden="true">
          {icon}
        </span>
      )}
      <p className="lead">{title}</p>
      {children && <p className="soft">{children}</p>}
      {action}
    </div>
  );
}

/** What went wrong, in the words of the API, with all that helps to find out why. */
export function Problem({ error, onRetry }: { error: unknown; onRetry?: () => void }) {
  const problem = error instanceof ApiError ? error : null;
  return (
    <div className={css.problem} role="alert">
      <StateIcon state="Failed" />
      <div className={css.problemText}>
        <p className="lead">{title(problem, Boolean(onRetry))}</p>
        <p className="anywhere">{sentence(error)}</p>
        {problem?.problem && (
          <p className="small soft anywhere">
            <code>{problem.code}</code>
            {problem.problem.target ? ` ${visible(problem.problem.target)}` : ''}
            {problem.traceId ? ` ${words.errors.trace} ${problem.traceId}` : ''}
          </p>
        )}
        <div className={css.retry}>
          {onRetry && (
            <Button size="small" onClick={onRetry}>
              {words.actions.tryAgain}
            </Button>
          )}
          {problem?.problem && <Copy text={reportOf(problem)} />}
        </div>
      </div>
    </div>
  );
}

function title(error: ApiError | null, isReading: boolean): string {
  if (error?.status === 404) return words.errors.gone;
  if (error?.status === 403) return words.errors.notAllowed;
  return isReading ? words.errors.heading : words.errors.notDone;
}

/** All that helps somebody else to find out what happened. */
const reportOf = ({ status, problem, traceId }: ApiError): string =>
  [`HTTP ${status}`, problem?.code, problem?.target, problem?.message, traceId]
    .filter(Boolean)
    .join('\n');

function Copy({ text }: { text: string }) {
  const [isCopied, setCopied] = useState(false);
  const copy = () => navigator.clipboard.writeText(text).then(() => setCopied(true));
  return (
    <Button size="small" appearance="subtle" onClick={copy}>
      {isCopied ? words.actions.copied : words.actions.copy}
    </Button>
  );
}

export function sentence(error: unknown): string {
  if (!(error instanceof ApiError)) return error instanceof Error ? error.message : String(error);
  if (error.status === 0) return words.errors.unreachable;
  return visible(error.message);
}

interface Reading<T> {
  data: T | undefined;
  error: unknown;
  isError: boolean;
  dataUpdatedAt?: number;
  refetch: () => unknown;
}

/** The content of a card once its reading has come; keeps the old one while reading again. */
export function Loaded<T>({
  reading,
  height,
  children,
}: {
  reading: Reading<T>;
  height?: number;
  children: (data: T) => ReactNode;
}) {
  if (reading.data !== undefined) {
    if (!reading.isError) return children(reading.data);
    return (
      <>
        <Stale reading={reading} />
        {children(reading.data)}
      </>
    );
  }
  if (reading.isError) return <Problem error={reading.error} onRetry={() => reading.refetch()} />;
  return <Skeleton height={height} />;
}

/** That what is shown could not be read again, and as of when it is. */
function Stale<T>({ reading }: { reading: Reading<T> }) {
  const at = reading.dataUpdatedAt ?? 0;
  return (
    <p className={`${css.asOf} small`} role="status">
      <StateIcon state="Stuck" />
      <span className="anywhere">
        {words.asOf(hourAndMinute(at))} {sentence(reading.error)}
      </span>
      <Button size="small" appearance="subtle" onClick={() => reading.refetch()}>
        {words.actions.tryAgain}
      </Button>
    </p>
  );
}
