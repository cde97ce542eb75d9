/** The updates that most devices have. */

import { useQuery } from '@tanstack/react-query';
import { Link } from '@tanstack/react-router';
import { installedQuery } from '../../api/fleet';
import { live } from '../../app/live';
import { useInstance } from '../../app/me';
import { Meter } from '../../design/bars';
import { Card, Empty, Loaded } from '../../design/card';
import { UpdatesIcon } from '../../design/icons';
import { UpdateName, updateText } from '../../design/text';
import { count } from '../../text/format';
import css from './overview.module.css';
import { text } from './text';

const SHOWN = 6;

export function InstalledMost() {
  const instance = useInstance();
  const installed = useQuery({ ...installedQuery(instance), ...live });
  return (
    <Card
      title={text.installed}
      span={6}
      side={
        <Link to="/$instance/updates" params={{ instance }}>
          {text.allUpdates}
        </Link>
      }
    >
      <Loaded reading={installed} height={160}>
        {(all) => {
          const shown = [...all].sort((a, b) => b.deviceCount - a.deviceCount).slice(0, SHOWN);
          if (shown.length === 0)
            return <Empty icon={<UpdatesIcon />} title={text.noneInstalled} isSmall />;
          const most = Math.max(...shown.map((each) => each.deviceCount));
          return (
            <ul>
              {shown.map(({ update, deviceCount, isBestForClass }) => (
                <li key={update ? updateText(update.updateId) : ''} className={css.share2}>
                  {update ? (
                    <Link
                      to="/$instance/updates/$provider/$name/$version"
                      params={{ instance, ...update.updateId }}
                      className="oneline"
                    >
                      <UpdateName of={update} />
                    </Link>
                  ) : (
                    <span className="soft">{text.noUpdate}</span>
                  )}
                  <Meter
                    value={deviceCount}
                    total={most}
                    tone={isBestForClass ? 'ok' : 'wait'}
                    label={`${count(deviceCount)}, ${isBestForClass ? text.best : text.newerFits}`}
                  />
                  <span className="number">{count(deviceCount)}</span>
                </li>
              ))}
            </ul>
          );
        }}
      </Loaded>
    </Card>
  );
}
