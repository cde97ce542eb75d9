/** The configuration and the sign-in, for the few parts that need them. */

import { createContext, useContext } from 'react';
import type { Auth } from './auth';
import type { Config } from './config';

export interface Session {
  config: Config;
  auth: Auth;
}

export const SessionContext = createContext<Session | null>(null);

export function useSession(): Session {
  const session = useContext(SessionContext);
  if (!session) throw new Error('nobody is signed in');
  return session;
}
