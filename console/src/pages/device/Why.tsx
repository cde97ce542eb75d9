/** The answer to the question that is asked most: why does it not have that update? */

import { Select } from '@fluentui/react-components';
import { useQuery } from '@tanstack/react-query';
import { body, client, type Device, type Schemas, type UpdateId, V } from '../../api/client';
import { updatesQuery } from '../../api/queries';
import { live } from '../../app/live';
import { useInstance } from '../../app/me';
import { Card, Loaded } from '../../design/card';
import { Mark, StateIcon, type StateName, type Tone } from '../../design/state';
import { Foreign, Time, updateText } from '../../design/text';
import { firstSentence, localTimes } from '../../text/format';
import { updateKey } from '../new-deployment/draft';
import css from './device.module.css';
import { text } from './text';

type Explanation = Schemas['Explanation'];
type Reason = Schemas['ExplanationReason'];

const VERDICTS: Record<Explanation['verdict'], { state: StateName; tone: Tone }> = {
  Has: { state: 'Succeeded', tone: 'ok' },
  WillGet: { state: 'Waiting', tone: 'run' },
  InProgress: { state: 'InProgress', tone: 'run' },
  Waits: { state: 'Waiting', tone: 'wait' },
  WillNot: { state: 'Canceled', tone: 'stop' },
  Failed: { state: 'Failed', tone: 'bad' },
};

export function useExplanation(device: Device, asked: UpdateId | null) {
  const instanceId = useInstance();
  const { deviceId, moduleId } = device;
  return useQuery({
    queryKey: [instanceId, 'devices', 'one', deviceId, moduleId ?? '', 'why', asked],
    queryFn: ({ signal }): Promise<Explanation> =>
      explain({ instanceId, deviceId, moduleId, asked, signal }),
    ...live,
  });
}

function explain({
  instanceId,
  deviceId,
  moduleId,
  asked,
  signal,
}: {
  instanceId: string;
  deviceId: string;
  moduleId: string | null | undefined;
  asked: UpdateId | null;
  signal: AbortSignal;
}): Promise<Explanation> {
  const D = '/deviceUpdate/{instanceId}/management/devices/{deviceId}';
  const U = 'updates/providers/{provider}/names/{name}/versions/{version}:explain';
  const path = { instanceId, deviceId };
  if (moduleId) {
    const of = { ...path, moduleId };
    return asked
      ? body(
          client.GET(`${D}/modules/{moduleId}/${U}`, {
            params: { path: { ...of, ...asked }, query: V },
            signal,
          }),
        )
      : body(
          client.GET(`${D}/modules/{moduleId}/updates:explain`, {
            params: { path: of, query: V },
            signal,
          }),
        );
  }
  return asked
    ? body(client.GET(`${D}/${U}`, { params: { path: { ...path, ...asked }, query: V }, signal }))
    : body(client.GET(`${D}/updates:explain`, { params: { path, query: V }, signal }));
}

export function Why({
  device,
  asked,
  isAsked,
  onAsk,
}: {
  device: Device;
  asked: UpdateId | null;
  /** Whether somebody chose the update that is asked about. */
  isAsked: boolean;
  onAsk: (update: string | undefined) => void;
}) {
  const instance = useInstance();
  const explanation = useExplanation(device, asked);
  const updates = useQuery(updatesQuery(instance, undefined, true));
  const about = explanation.data?.update?.updateId ?? asked;
  const title = !about
    ? text.whyAny
    : explanation.data?.verdict === 'Has'
      ? text.has(updateText(about))
      : text.why(updateText(about));
  return (
    <Card
      title={title}
      side={
        <Select
          size="small"
          aria-label={text.another}
          value={asked && isAsked ? updateKey(asked) : ''}
          onChange={(_, { value }) => onAsk(value || undefined)}
        >
          <option value="">{text.another}</option>
          {(updates.data ?? []).map((each) => (
            <option key={updateText(each.updateId)} value={updateKey(each.updateId)}>
              {updateText(each.updateId)}
            </option>
          ))}
        </Select>
      }
    >
      <Loaded reading={explanation} height={200}>
        {(it) => {
          const decisive = it.reasons.find((reason) => reason.decides) ?? it.reasons[0];
          const others = it.reasons.filter((reason) => reason !== decisive);
          const { state, tone } = VERDICTS[it.verdict];
          return (
            <>
              <div className={css.verdict}>
                <Mark
                  tone={tone}
                  icon={<StateIcon state={state} />}
                  text={text.verdicts[it.verdict]}
                />
              </div>
              {decisive && <Answer text={localTimes(decisive.message)} />}
              {decisive?.until && (
                <p className="soft">
                  {text.until} <Time at={decisive.until} />
                </p>
              )}
              {decisive && <Evidence of={decisive} />}
              {others.length > 0 && (
                <>
                  <h3 className={css.also}>{text.also}</h3>
                  <ol className={css.chain}>
                    {others.map((reason) => (
                      <li key={reason.code + reason.message} className={css.check}>
                        <StateIcon state="None" />
                        <Foreign atMost={600}>{localTimes(reason.message)}</Foreign>
                        <small className="soft">
                          <code>{reason.code}</code>
                        </small>
                      </li>
                    ))}
                  </ol>
                </>
              )}
            </>
          );
        }}
      </Loaded>
    </Card>
  );
}

function Answer({ text: whole }: { text: string }) {
  const [first, rest] = firstSentence(whole);
  return (
    <>
      <p className={css.answer}>
        <Foreign atMost={600}>{first}</Foreign>
      </p>
      {rest && (
        <p className={`${css.next} soft`}>
          <Foreign atMost={600}>{rest}</Foreign>
        </p>
      )}
    </>
  );
}

/** What the answer rests on, by the name that the API has for it. */
function Evidence({ of }: { of: Reason }) {
  return (
    <p className={`small soft ${css.evidence}`}>
      <code>{of.code}</code>
    </p>
  );
}
