/** What is shown where there is no page, or where a page could not be drawn. */

import { Link } from '@tanstack/react-router';
import { Empty, Problem } from '../design/card';
import { Page } from '../design/page';
import { useInstance } from './me';

const text = {
  title: 'There is no such page',
  lost: 'The address may be mistyped, or of an older version of the console.',
  home: 'To the overview',
  failed: 'This page cannot be shown',
  reload: 'Load it again. If that does not help, the text below says what to report.',
};

export function NotThere() {
  const instance = useInstance();
  return (
    <Page title={text.title}>
      <Empty
        title={text.lost}
        action={
          instance ? (
            <Link to="/$instance" params={{ instance }}>
              {text.home}
            </Link>
          ) : (
            <Link to="/">{text.home}</Link>
          )
        }
      />
    </Page>
  );
}

export function Failure({ error }: { error: unknown }) {
  return (
    <Page title={text.failed}>
      <p>{text.reload}</p>
      <Problem error={error} onRetry={() => location.reload()} />
    </Page>
  );
}
