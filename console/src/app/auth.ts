/** Who is signed in: the same code against Microsoft Entra ID and the local issuer. */

import {
  type AccountInfo,
  type AuthenticationResult,
  InteractionRequiredAuthError,
  PublicClientApplication,
} from '@azure/msal-browser';
import type { Config } from './config';

const RETURN_TO = 'odu.returnTo';
/** A token that is used no more this long before its end. */
const EARLY_MS = 5 * 60_000;

export class Auth {
  private token: { text: string; until: number } | null = null;
  private asking: Promise<string> | null = null;

  private constructor(
    private readonly client: PublicClientApplication,
    private readonly scope: string,
  ) {}

  static async start(config: Config & { clientId: string }): Promise<Auth> {
    const home = `${location.origin}${import.meta.env.BASE_URL}`;
    const client = new PublicClientApplication({
      auth: {
        clientId: config.clientId,
        authority: config.authority,
        knownAuthorities: [config.knownAuthority],
        redirectUri: home,
        postLogoutRedirectUri: home,
      },
      cache: { cacheLocation: 'sessionStorage' },
    });
    await client.initialize();
    const auth = new Auth(client, config.scope);
    await auth.takeAnswer();
    return auth;
  }

  /** Take over what the sign-in page answered, and go back to where the person came from. */
  private async takeAnswer(): Promise<void> {
    const answer = await this.client.handleRedirectPromise({ navigateToLoginRequestUrl: false });
    if (!answer) return;
    this.client.setActiveAccount(answer.account);
    this.keep(answer);
    const place = sessionStorage.getItem(RETURN_TO);
    sessionStorage.removeItem(RETURN_TO);
    history.replaceState(null, '', place ?? import.meta.env.BASE_URL);
  }

  get account(): AccountInfo | null {
    return this.client.getActiveAccount() ?? this.client.getAllAccounts()[0] ?? null;
  }

  /** Lead to the sign-in page; the address is kept. */
  async signIn(): Promise<void> {
    sessionStorage.setItem(RETURN_TO, location.pathname + location.search);
    await this.client.loginRedirect({ scopes: [this.scope] });
  }

  async signOut(): Promise<void> {
    await this.client.logoutRedirect({ account: this.account });
  }

  /** An access token that is good for some minutes; leads to the sign-in page when none can be had. */
  async accessToken(refresh = false): Promise<string> {
    if (!refresh && this.token && this.token.until - EARLY_MS > Date.now()) return this.token.text;
    this.asking ??= this.ask(refresh).finally(() => {
      this.asking = null;
    });
    return this.asking;
  }

  private async ask(forceRefresh: boolean): Promise<string> {
    const account = this.account;
    if (!account) throw new Error('nobody is signed in');
    const request = { scopes: [this.scope], account, forceRefresh };
    try {
      return this.keep(await this.client.acquireTokenSilent(request));
    } catch (error) {
      if (!(error instanceof InteractionRequiredAuthError)) throw error;
      await this.signIn();
      throw error;
    }
  }

  private keep(answer: AuthenticationResult): string {
    this.token = { text: answer.accessToken, until: answer.expiresOn?.getTime() ?? 0 };
    return answer.accessToken;
  }
}
