// What a service writes, as CommonJS, with everything there is: it must type-check. (The exact types: index.test-d.ts.)

import {
  PermanentError,
  TimeoutError,
  allSettled,
  execute,
  mapSettled,
  mapWithLimit,
  retry,
  skip,
  sleep,
  stop,
  withTimeout,
} from 'sluice';
import type {
  Context,
  ErrorClass,
  ExecuteFailure,
  ExecuteResult,
  ExecuteSuccess,
  Kept,
  MapOptions,
  MapSettledOptions,
  Progress,
  RateOptions,
  RetryContext,
  RetryOptions,
  RetryPolicy,
  SettledOptions,
  SleepOptions,
  TimeoutOptions,
} from 'sluice';

interface Order {
  id: number;
  total: number;
}

interface Request {
  ids: readonly number[];
  deadline: number;
  signal: AbortSignal;
}

class HttpError extends Error {
  constructor(
    readonly status: number,
    readonly retryAfter?: string,
  ) {
    super(`HTTP ${status}`);
  }
}

declare function get(path: string, options: { signal: AbortSignal; timeout?: number }): Promise<Order>;
declare function rows(): AsyncGenerator<Order, void>;
declare function save(order: Order): Promise<void>;
declare const log: (message: string, details?: unknown) => void;

// Policies, as they stand in a configuration.

const retriable: readonly ErrorClass[] = [HttpError, TimeoutError];

/** A server says seconds, or a date. */
function askedFor(error: unknown): number | Date | undefined {
  if (!(error instanceof HttpError) || error.retryAfter === undefined) return undefined;
  const seconds = Number(error.retryAfter);
  return Number.isNaN(seconds) ? new Date(error.retryAfter) : seconds * 1000;
}

function told(error: unknown, { index, attempt, retriesLeft, delay, elapsed, remaining, signal }: RetryContext): void {
  if (signal.aborted) return;
  log(`${index}: attempt ${attempt} failed after ${elapsed} ms, ${retriesLeft} left, next in ${delay} ms`, error);
  if (remaining < delay) log('that will be too late');
}

const policy: RetryPolicy = {
  retries: 5,
  delay: 100,
  backoff: 'exponential',
  factor: 1.5,
  maxDelay: 10_000,
  jitter: 'full',
  retryOn: retriable,
  retryIf: (error) => !(error instanceof HttpError) || error.status >= 500 || error.status === 429,
  retryAfter: askedFor,
  onRetry: told,
};
const none: Order = { id: 0, total: 0 };
const others: RetryPolicy[] = [
  { backoff: 'constant', jitter: 'none' },
  { backoff: 'linear', retries: Infinity, maxDelay: Infinity },
  { backoff: 'decorrelated', retryOn: HttpError, retryIf: async (_error, { attempt }) => attempt < 3 },
  { backoff: (_error, { attempt, delay }) => delay * Math.log2(attempt + 1), onRetry: async () => save(none) },
  { backoff: async () => 5, retryAfter: async () => undefined },
];
const rate: RateOptions = { max: 600, per: 60_000, burst: 20 };

// Many of them

async function load(id: number, _index: number, { signal, remaining, attempt }: Context): Promise<Order> {
  if (!Number.isInteger(id)) throw new PermanentError(`no order has the number ${id}`, { cause: new HttpError(404) });
  log(`order ${id}, attempt ${attempt}`);
  return get(`/orders/${id}`, { signal, timeout: remaining });
}

function report({ total, started, done, failed, retried, timedOut, abandoned }: Progress): void {
  log(`${done} of ${total ?? 'many'}`, { started, failed, retried, timedOut, abandoned });
}

const everything: MapOptions = {
  timeout: 2_000,
  itemTimeout: 10_000,
  totalTimeout: 60_000,
  retry: policy,
  rate,
  signal: AbortSignal.timeout(100_000),
  onProgress: report,
  discard: false,
  drain: true,
  stopOnError: false,
  maxAbandoned: 64,
  yieldAfter: 5,
  unref: true,
  label: 'orders',
};

export async function orders({ ids, deadline, signal }: Request): Promise<Order[]> {
  const found = await mapWithLimit(ids, 8, load, { retry: policy, totalTimeout: deadline - Date.now(), signal });
  const [first] = await mapWithLimit(ids, Infinity, async (id) => (id > 0 ? id : skip), { rate: 50, retry: 3 });
  let budget = 1_000;
  const affordable = await mapWithLimit(found, 1, (order) => {
    budget -= order.total;
    return budget < 0 ? stop : order;
  });
  log(`the first is ${first ?? 'none'}`, await mapWithLimit(ids, 8, load, everything));
  try {
    await mapWithLimit(ids, 8, load, { stopOnError: false, rate: { max: 5 } });
  } catch (error) {
    if (error instanceof AggregateError) log(error.message, error.errors as unknown[]);
    else throw error;
  }
  return affordable;
}

export async function importAll(): Promise<number> {
  return mapWithLimit(rows(), 16, save, { discard: true, maxAbandoned: 0 });
}

/** A wrapper of one's own. */
export async function inParallel<T, R>(items: Iterable<T>, one: (item: Awaited<T>) => R): Promise<Kept<R>[]> {
  return mapWithLimit(items, 8, one, { label: 'parallel' });
}

export async function best({ ids, signal }: Request): Promise<Order[]> {
  const options: MapSettledOptions = {
    timeout: 500,
    itemTimeout: 2_000,
    retry: 2,
    rate: Infinity,
    drain: true,
    signal,
  };
  const outcomes = await mapSettled(ids, 8, load, { ...options, discard: false, totalTimeout: 5_000 });
  const settled: number = await mapSettled(ids, 8, load, { ...options, discard: true });
  log(`${settled} of ${outcomes.length}`);
  return outcomes.flatMap((outcome) => {
    if (outcome.status === 'fulfilled') return outcome.value;
    log('lost', outcome.reason);
    return [];
  });
}

// One of them

export async function order(id: number, signal: AbortSignal): Promise<Order | null> {
  const options: TimeoutOptions<null> = {
    timeout: 300,
    fallback: () => null,
    signal,
    unref: true,
    label: `order ${id}`,
  };
  const cached = await withTimeout(get(`/cache/${id}`, { signal }), 20, null);
  return cached ?? withTimeout((context) => load(id, 0, context), options);
}

const tries: RetryOptions = { ...policy, timeout: 500, totalTimeout: 5_000, unref: true, label: 'send' };

export async function send(body: Order): Promise<ExecuteResult<Order>> {
  const sent: Order = await retry(({ signal }) => get(`/send/${body.id}`, { signal }), tries);
  const again: Order = await retry(({ attempt }) => ({ ...sent, id: attempt }), 3, 500);
  for (const other of others) await retry(() => save(again), other);
  return execute((context) => load(body.id, 0, context), { ...tries, retryOn: HttpError });
}

export function spoken(result: ExecuteResult<Order>): string {
  const success = (sent: ExecuteSuccess<Order>) => `order ${sent.value.id} after ${sent.attempts} attempts`;
  const failure = (lost: ExecuteFailure) => `${lost.attempts} attempts in ${lost.durationMs} ms: ${String(lost.error)}`;
  return result.success ? success(result) : failure(result);
}

// And the rest

export async function page(id: number, signal: AbortSignal): Promise<string> {
  const options: SettledOptions = { totalTimeout: 1_000, signal, onProgress: report, unref: false, label: 'page' };
  const pause: SleepOptions = { signal, unref: true };
  const [main, , side] = await allSettled([order(id, signal), sleep(0.5, pause), Promise.resolve('side')], options);
  if (main.status === 'rejected') throw main.reason;
  return `${main.value?.total} ${side.status === 'fulfilled' ? side.value.toUpperCase() : 'later'}`;
}

export function why(error: unknown): string {
  if (error instanceof PermanentError) return `${error.code}: ${error.message} (${String(error.cause)})`;
  if (!(error instanceof TimeoutError)) return String(error);
  const { code, scope, timeout, elapsed, loopBlocked, index, attempt, label, cause } = error;
  if (loopBlocked > 0) return `${label ?? 'it'}: busy for ${loopBlocked} of ${elapsed} ms`;
  switch (scope) {
    case 'attempt':
      return `${code}: attempt ${attempt} at ${index} took more than ${timeout} ms`;
    case 'item':
      return `item ${index} took more than ${timeout} ms, the last failure: ${String(cause)}`;
    case 'total':
      return `more than ${timeout} ms`;
  }
}
