/**
 * Requests to the REST API: with a token, asked conditionally, and counted for the sign of life.
 *
 * The body that an ETag stands for is kept, so that a 304 is answered with it.
 */

import { ApiError, errorOf } from './errors';
import { freshness } from './freshness';

const KEPT = 200;

export interface TokenSource {
  accessToken(refresh?: boolean): Promise<string>;
}

export class Transport {
  private readonly kept = new Map<string, { etag: string; body: string }>();

  constructor(private readonly tokens: TokenSource) {}

  /** As `fetch`, but what is no success is thrown as an `ApiError`. */
  fetch = async (request: Request): Promise<Response> => {
    let response = await this.send(request.clone(), false);
    if (response.status === 401) response = await this.send(request, true);
    if (response.status === 304) return this.again(request.url);
    if (!response.ok) throw await errorOf(response);
    return request.method === 'GET' ? this.keep(request.url, response) : response;
  };

  private async send(request: Request, refresh: boolean): Promise<Response> {
    request.headers.set('Authorization', `Bearer ${await this.tokens.accessToken(refresh)}`);
    const known = request.method === 'GET' ? this.kept.get(request.url) : undefined;
    if (known) request.headers.set('If-None-Match', known.etag);
    try {
      const response = await fetch(request, { cache: 'no-store' });
      if (response.status < 500 && response.status !== 429) freshness.heard();
      return response;
    } catch (error) {
      if (request.signal.aborted) throw error;
      freshness.lost();
      throw new ApiError(0, null);
    }
  }

  private again(url: string): Response {
    const known = this.kept.get(url);
    if (!known) throw new ApiError(304, null);
    return new Response(known.body, { headers: { 'Content-Type': 'application/json' } });
  }

  private async keep(url: string, response: Response): Promise<Response> {
    const etag = response.headers.get('ETag');
    if (!etag) return response;
    const body = await response.text();
    this.kept.delete(url);
    this.kept.set(url, { etag, body });
    const oldest = this.kept.keys().next().value;
    if (this.kept.size > KEPT && oldest) this.kept.delete(oldest);
    const { status, headers } = response;
    return new Response(body, { status, headers });
  }
}
