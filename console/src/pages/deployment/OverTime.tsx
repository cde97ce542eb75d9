/** How a deployment went over time, from what the service noted of it. */

import { useQuery } from '@tanstack/react-query';
import { progressQuery } from '../../api/deployments';
import { live } from '../../app/live';
import { useInstance } from '../../app/me';
import { Card } from '../../design/card';
import { Chart, roundUp } from '../../design/chart';
import { count, hourAndMinute } from '../../text/format';
import css from './deployment.module.css';
import { text } from './text';

export function OverTime({
  group,
  deployment,
  limit,
}: {
  group: string;
  deployment: string;
  /** The share of failures, in percent, that stops it. */
  limit: number | null;
}) {
  const instance = useInstance();
  const progress = useQuery({
    ...progressQuery(instance, group, deployment),
    ...live,
  });
  const points = progress.data?.value ?? [];
  const rate = progress.data?.ratePerMinute;
  if (points.length < 2) return null;
  const highest = Math.max(...points.map((each) => each.succeeded + each.inProgress));
  const top = roundUp(highest);
  const shares = points.map(({ failed, succeeded }) =>
    failed + succeeded ? (100 * failed) / (failed + succeeded) : 0,
  );
  const most = Math.max(...shares);
  if (highest + most === 0) return null;
  const axis = [points[0]!, points.at(-1)!].map((each) => hourAndMinute(Date.parse(each.dateTime)));
  return (
    <Card title={text.overTime} side={rate ? text.rate(count(Math.round(rate))) : null}>
      {highest > 0 && (
        <Chart
          isStacked
          label={text.overTimeLabel}
          series={[
            { tone: 'ok', label: text.succeeded, values: points.map((each) => each.succeeded) },
            { tone: 'run', label: text.inProgress, values: points.map((each) => each.inProgress) },
          ]}
          maximum={top}
          ticks={[count(top), count(top / 2), '0']}
          axis={axis}
        />
      )}
      {most > 0 && (
        <>
          <h3 className={css.second}>{text.failedShare}</h3>
          <Chart
            label={text.failedShare}
            series={[{ tone: 'bad', label: text.failed, values: shares }]}
            maximum={roundUp(Math.max(most, limit ?? 0))}
            ticks={[`${roundUp(Math.max(most, limit ?? 0))} %`, '0 %']}
            limit={limit ? { value: limit, label: text.limit(limit) } : undefined}
            axis={axis}
            height={60}
          />
        </>
      )}
    </Card>
  );
}
