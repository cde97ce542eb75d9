/** The share of devices on the latest update over the last days, marked where an update came. */

import type { ComplianceHistory } from '../api/fleet';
import { day, percent } from '../text/format';
import { words } from '../text/words';
import { Chart, type Mark } from './chart';

const MOST_MARKS = 2;

export function Trend({ history }: { history: ComplianceHistory | undefined }) {
  const text = words.trend;
  const days = [...(history?.value ?? [])].sort((a, b) => a.date.localeCompare(b.date));
  if (days.length < 2) return null;
  const values = days.map((each) =>
    each.totalDeviceCount ? (100 * each.onLatestUpdateDeviceCount) / each.totalDeviceCount : 0,
  );
  const marks: Mark[] = (history?.marks ?? []).slice(-MOST_MARKS).flatMap((mark) => {
    const at = days.findIndex((each) => each.date === mark.dateTime.slice(0, 10));
    const { name, version } = mark.updateId;
    return at < 0 ? [] : [{ at, label: text.published(`${name} ${version}`) }];
  });
  const last = days.at(-1)!;
  return (
    <Chart
      label={text.label(percent(last.onLatestUpdateDeviceCount, last.totalDeviceCount))}
      series={[{ tone: 'run', label: text.onLatest, values }]}
      maximum={100}
      ticks={['100 %', '50 %', '0 %']}
      axis={[day(`${days[0]!.date}T12:00:00Z`), text.today]}
      marks={marks}
    />
  );
}
