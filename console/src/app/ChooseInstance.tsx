/** The way in: to the only instance there is, or to the one that is chosen. */

import { useQuery } from '@tanstack/react-query';
import { Link, Navigate } from '@tanstack/react-router';
import { Empty, Loaded } from '../design/card';
import { words } from '../text/words';
import { meQuery } from './me';
import css from './SignInPage.module.css';

const LAST = 'odu.instance';
const text = { title: 'Instances' };

export const rememberInstance = (instance: string): void => localStorage.setItem(LAST, instance);

export function ChooseInstance() {
  const me = useQuery(meQuery);
  return (
    <main className={css.page}>
      <div className={css.box}>
        <Loaded reading={me}>
          {({ name, instances }) => {
            const last = localStorage.getItem(LAST);
            const known = instances.find((each) => each.id === last) ?? instances[0];
            if (known && (instances.length === 1 || known.id === last)) {
              return <Navigate to="/$instance" params={{ instance: known.id }} replace />;
            }
            if (!known) {
              return (
                <>
                  <h1>{words.product}</h1>
                  <Empty title={words.errors.noRole}>{words.errors.askForOne(name ?? '')}</Empty>
                </>
              );
            }
            return (
              <>
                <h1>{text.title}</h1>
                <ul>
                  {instances.map((each) => (
                    <li key={each.id}>
                      <Link to="/$instance" params={{ instance: each.id }}>
                        {each.id}
                      </Link>
                    </li>
                  ))}
                </ul>
              </>
            );
          }}
        </Loaded>
      </div>
    </main>
  );
}
