/** Lines and areas over time, drawn as SVG; what they say is also there as text. */

import { type ReactNode, useId } from 'react';
import css from './chart.module.css';
import type { Tone } from './state';

export interface Series {
  tone: Tone;
  label: string;
  /** One value a point, of the same length for all series. */
  values: number[];
}

export interface Mark {
  /** Index of the point. */
  at: number;
  label: string;
}

const WIDTH = 1000;
const HEIGHT = 100;
const LABEL_PX = 20;

/** Values over time: stacked areas, or one line with the ground below it tinted. */
export function Chart({
  label,
  series,
  maximum,
  ticks,
  axis,
  marks = [],
  limit,
  height = 140,
  isStacked = false,
}: {
  label: string;
  series: Series[];
  maximum: number;
  /** Texts at the left, from the top to the bottom. */
  ticks: string[];
  /** Texts below, from the first to the last point. */
  axis: string[];
  marks?: Mark[];
  /** A value that is not to be reached. */
  limit?: { value: number; label: string };
  height?: number;
  isStacked?: boolean;
}) {
  const id = useId();
  const points = series[0]?.values.length ?? 0;
  if (points < 2) return null;
  const layers = isStacked ? stacked(series) : series.map((each) => ({ ...each, below: null }));
  const y = (value: number) => HEIGHT - (Math.min(value, maximum) / maximum) * HEIGHT;
  return (
    <figure className={css.figure} aria-labelledby={id}>
      <figcaption id={id} className="hidden">
        {label}
      </figcaption>
      <div className={css.plot} style={{ blockSize: height }}>
        <div className={css.ticks} aria-hidden="true">
          {ticks.map((tick) => (
            <span key={tick}>{tick}</span>
          ))}
        </div>
        <div className={css.area}>
          <svg viewBox={`0 0 ${WIDTH} ${HEIGHT}`} preserveAspectRatio="none" aria-hidden="true">
            {ticks.map((tick, index) => (
              <line
                key={tick}
                x1="0"
                x2={WIDTH}
                y1={(index / Math.max(1, ticks.length - 1)) * HEIGHT}
                y2={(index / Math.max(1, ticks.length - 1)) * HEIGHT}
                className={css.rule}
              />
            ))}
            {layers.map((layer) => (
              <g key={layer.label}>
                <path
                  d={ground(layer.values, layer.below, y)}
                  className={`${css.fill} ${css[layer.tone]} ${isStacked ? css.solid : ''}`}
                />
                {!isStacked && (
                  <path d={line(layer.values, y)} className={`${css.line} ${css[layer.tone]}`} />
                )}
              </g>
            ))}
            {limit && (
              <line
                x1="0"
                x2={WIDTH}
                y1={y(limit.value)}
                y2={y(limit.value)}
                className={css.limit}
              />
            )}
            {marks.map((mark) => (
              <line
                key={`${mark.at}${mark.label}`}
                x1={(mark.at / (points - 1)) * WIDTH}
                x2={(mark.at / (points - 1)) * WIDTH}
                y1="0"
                y2={HEIGHT}
                className={css.mark}
              />
            ))}
          </svg>
          {marks.map((mark, index) => (
            <MarkLabel
              key={`${mark.at}${mark.label}`}
              share={mark.at / (points - 1)}
              row={marks.length - 1 - index}
            >
              {mark.label}
            </MarkLabel>
          ))}
          {limit && (
            <span className={css.limitLabel} style={{ insetBlockStart: `${y(limit.value)}%` }}>
              {limit.label}
            </span>
          )}
        </div>
      </div>
      <div className={css.axis} aria-hidden="true">
        {axis.map((text) => (
          <span key={text}>{text}</span>
        ))}
      </div>
    </figure>
  );
}

/** Labels lie in rows of their own, for marks may be close to each other. */
function MarkLabel({ share, row, children }: { share: number; row: number; children: ReactNode }) {
  const isLate = share > 0.5;
  const place = isLate
    ? { insetInlineEnd: `${(1 - share) * 100}%` }
    : { insetInlineStart: `${share * 100}%` };
  const insetBlockEnd = 4 + row * LABEL_PX;
  return (
    <span className={css.markLabel} style={{ ...place, insetBlockEnd }}>
      {children}
    </span>
  );
}

function stacked(series: Series[]) {
  let below = series[0]!.values.map(() => 0);
  return series.map((each) => {
    const values = each.values.map((value, index) => value + below[index]!);
    const layer = { ...each, values, below };
    below = values;
    return layer;
  });
}

function line(values: number[], y: (value: number) => number): string {
  const step = WIDTH / (values.length - 1);
  return values
    .map((value, index) => `${index ? 'L' : 'M'}${round(index * step)} ${round(y(value))}`)
    .join('');
}

function ground(values: number[], below: number[] | null, y: (value: number) => number): string {
  const step = WIDTH / (values.length - 1);
  const back = (below ?? values.map(() => 0))
    .map((value, index) => `L${round(index * step)} ${round(y(value))}`)
    .reverse()
    .join('');
  return `${line(values, y)}${back}Z`;
}

const round = (value: number): number => Math.round(value * 10) / 10;

/** The least round number that is not below a value, for the top of an axis. */
export function roundUp(value: number): number {
  if (value <= 4) return 4;
  const power = 10 ** Math.floor(Math.log10(value));
  const step = [1, 2, 4, 5, 8, 10].find((each) => each * power >= value) ?? 10;
  return step * power;
}
