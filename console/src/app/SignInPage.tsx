/** Before anybody is signed in: one button, and why there is none if so. */

import { Button } from '@fluentui/react-components';
import { useState } from 'react';
import { Problem } from '../design/card';
import { words } from '../text/words';
import css from './SignInPage.module.css';

const text = {
  lead: 'See where every device stands, and roll updates out to all of them.',
  entra: 'You sign in with your organisation’s account.',
  local: 'This stack runs on your machine: you pick a name and a role.',
  notSetUp: 'Sign-in is not set up',
  how: 'Set the app setting CONSOLE_CLIENT_ID to the application that has this address as a single-page redirect.',
};

export function SignInPage({
  isLocal,
  isSetUp,
  error,
  onSignIn,
}: {
  isLocal: boolean;
  isSetUp: boolean;
  error: unknown;
  onSignIn: () => Promise<void>;
}) {
  const [isLeaving, setLeaving] = useState(false);
  const [failure, setFailure] = useState<unknown>(error);
  const leave = () => {
    setLeaving(true);
    onSignIn().catch((reason: unknown) => {
      setLeaving(false);
      setFailure(reason);
    });
  };
  return (
    <main className={css.page}>
      <div className={css.box}>
        <img src={`${import.meta.env.BASE_URL}icon.svg`} alt="" width="44" height="44" />
        <h1>{words.product}</h1>
        <p>{text.lead}</p>
        {failure ? <Problem error={failure} /> : null}
        {isSetUp ? (
          <>
            <Button appearance="primary" size="large" onClick={leave} disabled={isLeaving}>
              {words.actions.signIn}
            </Button>
            <p className="small soft">{isLocal ? text.local : text.entra}</p>
          </>
        ) : (
          <div role="alert">
            <h2>{text.notSetUp}</h2>
            <p className="soft">{text.how}</p>
          </div>
        )}
      </div>
    </main>
  );
}
