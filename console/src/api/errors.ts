/** An answer of the REST API that is no success, with all that it says. */

import type { components } from './schema';

type ApiProblem = components['schemas']['Error'];

export class ApiError extends Error {
  constructor(
    /** HTTP status; 0 when the service could not be reached. */
    readonly status: number,
    readonly problem: ApiProblem | null,
    readonly retryAfterSeconds: number | null = null,
    readonly traceId: string | null = null,
  ) {
    super(problem?.message ?? `HTTP ${status}`);
    this.name = 'ApiError';
  }

  get code(): string {
    return this.problem?.code ?? (this.status ? `HTTP ${this.status}` : 'Unreachable');
  }

  get isTransient(): boolean {
    return this.status === 0 || this.status === 429 || this.status === 503;
  }
}

export async function errorOf(response: Response): Promise<ApiError> {
  const text = await response.text();
  let problem: ApiProblem | null = null;
  try {
    problem = (JSON.parse(text) as { error?: ApiProblem }).error ?? null;
  } catch {
    // a gateway in between answers without JSON: the status is all there is
  }
  const after = Number(response.headers.get('Retry-After'));
  const trace = problem?.message.match(/trace ([0-9a-f]{16,})/)?.[1] ?? null;
  return new ApiError(response.status, problem, after > 0 ? after : null, trace);
}
