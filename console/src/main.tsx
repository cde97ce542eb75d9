/** The start: configuration, sign-in, then the pages. */

import './design/tokens.css';
import './design/base.css';
import { FluentProvider } from '@fluentui/react-components';
import { QueryClientProvider } from '@tanstack/react-query';
import { RouterProvider } from '@tanstack/react-router';
import { type ReactNode, StrictMode } from 'react';
import { createRoot } from 'react-dom/client';
import { connect } from './api/client';
import { Auth } from './app/auth';
import { type Config, readConfig } from './app/config';
import { fluentThemes } from './app/fluent-theme';
import { queryClient } from './app/query-client';
import { router } from './app/router';
import { SignInPage } from './app/SignInPage';
import { SessionContext } from './app/session';
import { applyTheme, useTheme } from './app/theme';

type RouteId = keyof typeof router.routesById;

const FRAME = { background: 'transparent', color: 'inherit' };

function Frame({ children }: { children: ReactNode }) {
  const theme = useTheme();
  return (
    // a class here would be on the hosts of all tooltips too, which lie above the page
    <FluentProvider theme={fluentThemes[theme]} style={FRAME}>
      {children}
    </FluentProvider>
  );
}

/** Load the code of the page that the address names, beside everything else. */
function preloadPage(): void {
  const matches: { routeId: RouteId }[] = router.matchRoutes(router.latestLocation);
  for (const { routeId } of matches) {
    router.loadRouteChunk(router.routesById[routeId])?.catch(() => {});
  }
}

async function start(config: Config): Promise<ReactNode> {
  const isSetUp = Boolean(config.clientId);
  let auth: Auth | null = null;
  let error: unknown = null;
  try {
    auth = isSetUp ? await Auth.start({ ...config, clientId: config.clientId! }) : null;
  } catch (reason) {
    error = reason;
  }
  if (!auth?.account) {
    const signIn = () => auth?.signIn() ?? Promise.resolve(location.reload());
    return (
      <SignInPage isLocal={config.isLocal} isSetUp={isSetUp} error={error} onSignIn={signIn} />
    );
  }
  connect(auth);
  auth.accessToken().catch(() => {}); // while the page is drawn; whoever needs it is told of a failure
  preloadPage();
  return (
    <SessionContext value={{ config, auth }}>
      <QueryClientProvider client={queryClient}>
        <RouterProvider router={router} />
      </QueryClientProvider>
    </SessionContext>
  );
}

applyTheme();
const root = createRoot(document.getElementById('root')!);
readConfig()
  .then(start)
  .catch((error: unknown) => (
    <SignInPage isLocal={false} isSetUp error={error} onSignIn={async () => location.reload()} />
  ))
  .then((page) =>
    root.render(
      <StrictMode>
        <Frame>{page}</Frame>
      </StrictMode>,
    ),
  );
