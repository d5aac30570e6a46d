// The exact type of each thing, and what must not compile. (tsd: expectType takes no type but the very same one.)

import { expectAssignable, expectNotAssignable, expectType } from 'tsd';
import * as sluice from 'sluice';
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

interface User {
  id: number;
  name: string;
}
declare const signal: AbortSignal;
declare const ids: number[];
declare function load(id: number, options?: { signal: AbortSignal }): Promise<User>;
declare function stream(): AsyncGenerator<string>;
declare const thenable: PromiseLike<User>;

export async function maps(): Promise<void> {
  expectType<User[]>(await mapWithLimit(ids, 4, (id) => load(id)));
  expectType<Promise<User[]>>(mapWithLimit(ids, Infinity, loadInContext, {}));
  expectType<string[]>(await mapWithLimit(new Set(ids), 4, (id, index) => `${id} of ${index}`));
  expectType<number[]>(await mapWithLimit(stream(), 4, async (line) => line.length));
  expectType<string[]>(await mapWithLimit('abc', 4, (letter) => letter));
  expectType<boolean[]>(await mapWithLimit([1, 2], 4, (id): boolean | Promise<boolean> => id > 1));
  expectType<User[]>(await mapWithLimit(ids, 4, () => thenable));
  expectType<void[]>(await mapWithLimit(ids, 4, async () => {}));

  // Elements may be promises: the mapper gets what they come to.
  expectType<string[]>(await mapWithLimit([load(1), load(2)], 2, (user) => user.name));
  await mapWithLimit([load(1), 7, thenable], 2, (item) => expectType<User | number>(item));
  expectType<string[]>(await mapWithLimit(ids.values(), 2, String));
  const frozen: readonly number[] = ids;
  expectType<number[]>(await mapWithLimit(frozen, 2, (id) => id * 2));

  // discard: true answers with a number, and false with the values.
  expectType<number>(await mapWithLimit(ids, 4, (id) => load(id), { discard: true }));
  expectType<number>(await mapWithLimit(stream(), 4, (line) => line.length, { discard: true, timeout: 5 }));
  expectType<User[]>(await mapWithLimit(ids, 4, (id) => load(id), { discard: false }));
  expectType<User[]>(await mapWithLimit(ids, 4, (id) => load(id), { discard: undefined }));
  const options: MapOptions = { discard: ids.length > 5 };
  expectType<User[] | number>(await mapWithLimit(ids, 4, (id) => load(id), options));

  const policy: RetryPolicy = { retries: 3, delay: 100, backoff: 'linear', factor: 2, maxDelay: 5000, jitter: 'none' };
  await mapWithLimit(ids, 4, (id) => load(id), {
    timeout: 1000,
    totalTimeout: 60_000,
    retry: policy,
    signal,
    onProgress: (progress) => {
      expectType<Progress>(progress);
      expectType<number | undefined>(progress.total);
      const { started, done, failed, retried, timedOut, abandoned } = progress;
      expectType<number>(started + done + failed + retried + timedOut + abandoned);
    },
    yieldAfter: Infinity,
    unref: true,
    label: 'users',
  });
  await mapWithLimit(ids, 4, (id) => load(id), { retry: 2, signal: undefined, onProgress: async () => {} });

  mapWithLimit(ids, 4, (_id, index, context) => {
    expectType<number>(index);
    expectType<Context>(context);
    expectType<number>(context.index + context.attempt);
    expectType<AbortSignal>(context.signal);
    expectType<number>(context.remaining);
    // @ts-expect-error -- a context is read
    context.attempt = 2;
  });

  // @ts-expect-error -- no limit
  mapWithLimit(ids, (id) => id);
  // @ts-expect-error -- a limit is a number
  mapWithLimit(ids, '4', (id) => id);
  // @ts-expect-error -- a number cannot be iterated
  mapWithLimit(7, 4, (id) => id);
  // @ts-expect-error -- nor an object
  mapWithLimit({ length: 3 }, 4, (id) => id);
  // @ts-expect-error -- the mapper's parameter is not what the items are
  mapWithLimit(ids, 4, (id: string) => id);
  // @ts-expect-error -- no such option
  mapWithLimit(ids, 4, (id) => id, { timout: 5000 });
  // @ts-expect-error -- nor such a rate
  mapWithLimit(ids, 4, (id) => id, { rate: { perSecond: 5 } });
  // @ts-expect-error -- how many?
  mapWithLimit(ids, 4, (id) => id, { rate: { per: 1000 } });
  // @ts-expect-error -- stopOnError is yes or no
  mapWithLimit(ids, 4, (id) => id, { stopOnError: 1 });
  // @ts-expect-error -- a timeout is a number
  mapWithLimit(ids, 4, (id) => id, { timeout: '5s' });
  // @ts-expect-error -- no such backoff
  mapWithLimit(ids, 4, (id) => id, { retry: { backoff: 'fibonacci' } });
  // @ts-expect-error -- how often is `retries`
  mapWithLimit(ids, 4, (id) => id, { retry: { attempts: 3 } });
  // @ts-expect-error -- the controller is not its signal
  mapWithLimit(ids, 4, (id) => id, { signal: new AbortController() });
  // @ts-expect-error -- null is not absent
  mapWithLimit(ids, 4, (id) => id, { signal: null });
  // @ts-expect-error -- with discard: true there are no values
  (await mapWithLimit(ids, 4, (id) => id, { discard: true })).length;
}

function loadInContext(id: number, _index: number, { signal: of }: Context): Promise<User> {
  return load(id, { signal: of });
}

export async function left(): Promise<void> {
  // What is left out is in no result.
  expectType<number[]>(await mapWithLimit(ids, 4, (id) => (id > 1 ? id : skip)));
  expectType<User[]>(await mapWithLimit(ids, 4, async (id) => (id > 1 ? load(id) : stop)));
  expectType<User[]>(
    await mapWithLimit(ids, 4, async (id) => {
      if (id > 9) return stop;
      if (id > 5) return skip;
      return load(id);
    }),
  );
  expectType<(User | string)[]>(await mapWithLimit(ids, 4, (id) => (id > 5 ? load(id) : id > 1 ? skip : String(id))));
  expectType<never[]>(await mapWithLimit(ids, 4, () => skip));
  expectType<undefined[]>(
    await mapWithLimit(ids, 4, async (id) => {
      if (id > 9) return stop;
    }),
  );
  expectType<PromiseSettledResult<number>[]>(await mapSettled(ids, 4, (id) => (id > 1 ? id : skip)));
  expectType<number>(await mapWithLimit(ids, 4, (id) => (id > 1 ? id : skip), { discard: true }));
  // Other symbols are values.
  expectType<symbol[]>(await mapWithLimit(ids, 4, () => Symbol()));

  expectType<User>({} as Kept<Promise<User | typeof skip>>);
  expectType<never>({} as never as Kept<typeof skip | typeof stop>);
  expectType<any>({} as Kept<any>);
  expectType<unknown>({} as Kept<unknown>);
  expectNotAssignable<typeof skip>(stop);
  expectAssignable<symbol>(skip);
  // @ts-expect-error -- a constant
  sluice.stop = Symbol();
}

/** Through a function of one's own, generic as well. */
export function inBatches<R>(mapper: (id: number) => Promise<R>): Promise<Awaited<R>[]> {
  return mapWithLimit(ids, 4, mapper, { timeout: 5 });
}
export async function inGroups<R>(mapper: (id: number) => R | typeof skip): Promise<Kept<R>[]> {
  return mapWithLimit(ids, 4, mapper);
}
expectType<Promise<User[]>>(inBatches((id) => load(id)));

export async function outcomes(): Promise<void> {
  const all = await mapSettled(ids, 4, (id, index, context) => {
    expectType<number>(id + index);
    expectType<Context>(context);
    return load(id);
  });
  expectType<PromiseSettledResult<User>[]>(all);
  for (const outcome of all) {
    if (outcome.status === 'fulfilled') expectType<User>(outcome.value);
    else expectType<any>(outcome.reason);
    // @ts-expect-error -- only one of them has it
    outcome.value;
  }
  expectType<PromiseSettledResult<number>[]>(await mapSettled(stream(), 4, async (line) => line.length, {}));
  expectType<PromiseSettledResult<string>[]>(await mapSettled([load(1)], 4, (user) => user.name, { discard: false }));
  expectType<number>(await mapSettled(ids, 4, (id) => id, { discard: true, drain: true }));
  const options: MapSettledOptions = { discard: ids.length > 5 };
  expectType<PromiseSettledResult<number>[] | number>(await mapSettled(ids, 4, (id) => id, options));
  expectType<number | undefined>(options.itemTimeout);
  expectNotAssignable<keyof MapSettledOptions>('stopOnError' as const);
  expectType<'stopOnError'>({} as Exclude<keyof MapOptions, keyof MapSettledOptions>);

  // @ts-expect-error -- it never stops on an error
  mapSettled(ids, 4, (id) => id, { stopOnError: false });
  // @ts-expect-error -- no limit
  mapSettled(ids, (id) => id);
  // @ts-expect-error -- outcomes, not values
  (await mapSettled(ids, 4, (id) => id))[0] satisfies number | undefined;
}

export async function timeouts(): Promise<void> {
  expectType<User>(await withTimeout(load(1), 200));
  expectType<User>(await withTimeout(thenable, 200));
  expectType<number>(await withTimeout(7 as number, 200));
  expectType<User>(await withTimeout(() => load(1), 200));
  expectType<User>(await withTimeout((context) => load(1, { signal: context.signal }), 200));
  expectType<number>(await withTimeout(({ attempt, index }) => attempt + index, Infinity));
  expectType<User>(await withTimeout(loadNow, 200));

  expectType<User | null>(await withTimeout(load(1), 200, null));
  expectType<User | string>(await withTimeout(() => load(1), 200, 'none' as string));
  expectType<User | { error: string }>(await withTimeout(load(1), 200, { error: 'late' }));
  expectType<User | null>(await withTimeout(load(1), 200, Promise.resolve(null)));
  expectType<User>(await withTimeout(load(1), 200, undefined));
  // The positional fallback is taken verbatim, a function too.
  expectType<User | (() => number)>(await withTimeout(load(1), 200, () => 7 as number));

  const options: TimeoutOptions = { timeout: 200, signal, unref: true, label: 'user' };
  expectType<User>(await withTimeout(load(1), options));
  expectType<User>(await withTimeout(load(1), { timeout: 200, signal: undefined, fallback: undefined }));
  expectType<User | null>(await withTimeout(load(1), { timeout: 200, fallback: null }));
  expectType<User | number>(await withTimeout(() => load(1), { timeout: 200, fallback: () => 7 as number }));
  expectType<User | number>(await withTimeout(load(1), { timeout: 200, fallback: async () => 7 as number }));
  expectType<User>(
    await withTimeout(({ signal: own }) => load(1, { signal: own }), { timeout: 200, fallback: () => load(2) }),
  );

  // @ts-expect-error -- no time
  withTimeout(load(1));
  // @ts-expect-error -- no time in the options
  withTimeout(load(1), { fallback: null });
  // @ts-expect-error -- options are the second argument
  withTimeout(load(1), 200, { signal });
  // @ts-expect-error -- either a number and a fallback, or options
  withTimeout(load(1), { timeout: 200 }, null);
  // @ts-expect-error -- a fallback function gets no arguments
  withTimeout(load(1), { timeout: 200, fallback: (error: Error) => error });
  // @ts-expect-error -- no such option
  withTimeout(load(1), { timeout: 200, totalTimeout: 200 });
  // @ts-expect-error -- the work gets a context
  expectType<User>(await withTimeout((id: number) => load(id), 200));
  const late = await withTimeout(load(1), 200, null);
  // @ts-expect-error -- it may be the fallback
  late.name;
}

function loadNow(): Promise<User> {
  return load(1);
}

export async function retries(): Promise<void> {
  expectType<User>(await retry(() => load(1)));
  expectType<User>(await retry(() => load(1), 3));
  expectType<User>(await retry(() => load(1), 3, 100));
  expectType<User>(await retry(() => load(1), undefined, 100));
  expectType<number>(await retry(({ attempt }) => attempt));
  expectType<User>(await retry(() => thenable, {}));
  const options: RetryOptions = {
    retries: Infinity,
    delay: 10,
    backoff: 'exponential',
    factor: 1.5,
    maxDelay: Infinity,
    jitter: 'full',
    timeout: 500,
    totalTimeout: 5000,
    signal,
    unref: false,
    label: 'login',
  };
  expectType<User>(await retry((context) => load(context.attempt, { signal: context.signal }), options));

  // @ts-expect-error -- a promise cannot be tried again
  retry(load(1));
  // @ts-expect-error -- options stand alone
  retry(() => load(1), { retries: 2 }, 100);
  // @ts-expect-error -- the wait is `delay`
  retry(() => load(1), { retries: 2, delayMs: 100 });
  // @ts-expect-error -- that is a backoff
  retry(() => load(1), { jitter: 'decorrelated' });
  // @ts-expect-error -- fn gets a context
  retry((id: number) => load(id), 3);
  // @ts-expect-error -- null is not absent
  retry(() => load(1), null);
}

export function policies(): void {
  const policy: RetryPolicy = {
    backoff: async (error, context) => {
      expectType<unknown>(error);
      expectType<RetryContext>(context);
      expectType<number>(context.index + context.attempt + context.remaining);
      expectType<number>(context.retriesLeft + context.delay + context.elapsed);
      expectType<AbortSignal>(context.signal);
      return 5;
    },
    retryIf: (error) => error instanceof TypeError,
    retryOn: [TypeError, TimeoutError, PermanentError, Late],
    retryAfter: (_error, { attempt }) => (attempt > 1 ? new Date() : attempt > 2 ? 5 : undefined),
    onRetry: () => {},
  };
  expectAssignable<RetryPolicy>({ backoff: 'decorrelated', retryOn: TimeoutError, retryIf: async () => true });
  expectAssignable<RetryPolicy>({ retryOn: [] as const, retryAfter: async () => 5, onRetry: async () => 'told' });
  expectAssignable<RetryPolicy>({ retryOn: undefined, retryIf: undefined, backoff: undefined, onRetry: undefined });
  expectAssignable<ErrorClass>(AggregateError);
  expectAssignable<ErrorClass>(Failure);
  expectNotAssignable<ErrorClass>(Map);
  expectNotAssignable<ErrorClass>((error: Error) => error);
  expectType<number | RetryPolicy | undefined>({} as MapOptions['retry']);
  expectType<number | RateOptions | undefined>({} as MapOptions['rate']);
  expectAssignable<RateOptions>({ max: 5 });
  expectAssignable<RateOptions>({ max: 0.5, per: 60_000, burst: 1 });
  expectAssignable<RetryOptions>(policy);

  // @ts-expect-error -- a wait is a number
  retry(() => load(1), { backoff: () => '5s' });
  // @ts-expect-error -- a forgotten `return` would be "no"
  retry(() => load(1), { retryIf: () => {} });
  // @ts-expect-error -- anything may be thrown
  retry(() => load(1), { retryIf: (error: TypeError) => error.message === '' });
  // @ts-expect-error -- the class, not its name
  retry(() => load(1), { retryOn: 'TimeoutError' });
  // @ts-expect-error -- nor one of its objects
  retry(() => load(1), { retryOn: new TypeError() });
  // @ts-expect-error -- a header is text
  retry(() => load(1), { retryAfter: () => '120' });
  // @ts-expect-error -- retries are not rated
  retry(() => load(1), { rate: 5 });
  // @ts-expect-error -- a context is read
  retry(() => load(1), { onRetry: (_error, context) => (context.delay = 5) });
  // @ts-expect-error -- an attempt has no plan yet
  retry(({ retriesLeft }) => retriesLeft);
}
class Late extends Error {}
declare abstract class Failure extends Error {
  constructor(code: number, message: string);
}

export async function reports(): Promise<void> {
  const result = await execute(({ signal, remaining }) => load(remaining, { signal }), {
    retries: 2,
    totalTimeout: 50,
  });
  expectType<ExecuteResult<User>>(result);
  expectType<boolean>(result.success);
  expectType<number>(result.attempts + result.durationMs);
  if (result.success) {
    expectType<ExecuteSuccess<User>>(result);
    expectType<User>(result.value);
    // @ts-expect-error -- there is none
    result.error;
  } else {
    expectType<ExecuteFailure>(result);
    expectType<unknown>(result.error);
    // @ts-expect-error -- there is none
    result.value;
  }
  expectType<Promise<ExecuteResult<User>>>(execute(() => thenable));
  expectType<ExecuteResult<number>>(await execute(({ attempt }) => attempt, {}));
  expectType<ExecuteResult<void>>(await execute(() => {}));

  // @ts-expect-error -- no positional form
  execute(() => load(1), 3);
  // @ts-expect-error -- of one item, the total is the item's
  execute(() => load(1), { itemTimeout: 5 });
  // @ts-expect-error -- it may have failed
  result.value;
  // @ts-expect-error -- a report is read
  result.attempts = 0;
}

export async function settles(): Promise<void> {
  const [user, count, text] = await allSettled([load(1), 7 as number, Promise.resolve('x' as string)]);
  expectType<PromiseSettledResult<User>>(user);
  expectType<PromiseSettledResult<number>>(count);
  expectType<PromiseSettledResult<string>>(text);
  expectType<[]>(await allSettled([]));
  expectType<PromiseSettledResult<User>[]>(await allSettled(ids.map((id) => load(id))));
  expectType<PromiseSettledResult<User>[]>(await allSettled(new Set([load(1)])));
  const pair = [load(1), 'x'] as const;
  expectType<[PromiseSettledResult<User>, PromiseSettledResult<'x'>]>(await allSettled(pair));
  // The built-in's own type, word for word.
  expectType<Awaited<ReturnType<typeof builtIn>>>(await allSettled([load(1), thenable, 7 as number]));

  const options: SettledOptions = { totalTimeout: 1000, signal, unref: true, label: 'page' };
  const [late] = await allSettled([load(1)], { ...options, onProgress: ({ done }) => expectType<number>(done) });
  if (late.status === 'rejected') expectType<unknown>(late.reason as unknown);
  else expectType<User>(late.value);

  // @ts-expect-error -- a promise cannot be iterated
  allSettled(load(1));
  // @ts-expect-error -- nor can arguments be
  allSettled(load(1), load(2));
  // @ts-expect-error -- it has no attempts
  allSettled([load(1)], { timeout: 5 });
  // @ts-expect-error -- there is no third result
  (await allSettled([load(1), load(2)]))[2];
}

function builtIn() {
  return Promise.allSettled([load(1), thenable, 7 as number]);
}

export async function sleeps(): Promise<void> {
  const options: SleepOptions = { signal, unref: true };
  expectType<void>(await sleep(5));
  expectType<void>(await sleep(0.5, options));
  // @ts-expect-error -- how long?
  sleep();
  // @ts-expect-error -- no such option
  sleep(5, { ref: false });
}

export function errors(error: unknown): void {
  if (!(error instanceof TimeoutError)) return;
  expectType<Error>(error as Error);
  expectType<'TimeoutError'>(error.name);
  expectType<'ERR_SLUICE_TIMEOUT'>(error.code);
  expectType<'attempt' | 'item' | 'total'>(error.scope);
  expectType<number>(error.timeout + error.elapsed + error.loopBlocked);
  expectType<number | undefined>(error.index);
  expectType<number | undefined>(error.attempt);
  expectType<string | undefined>(error.label);
  expectType<unknown>(error.cause);
  // @ts-expect-error -- fields are read
  error.timeout = 1;
  // @ts-expect-error -- only this package makes them
  new TimeoutError('late');
  // @ts-expect-error -- no such scope
  error.scope === 'call';
}

export function permanent(): void {
  const error = new PermanentError('gone', { cause: 404 });
  expectType<PermanentError>(error);
  expectType<PermanentError>(new PermanentError());
  expectType<'PermanentError'>(error.name);
  expectType<'ERR_SLUICE_PERMANENT'>(error.code);
  expectType<unknown>(error.cause);
  expectAssignable<Error>(error);
  // @ts-expect-error -- a message is text
  new PermanentError(404);
  // @ts-expect-error -- the cause has its name
  new PermanentError('gone', new Error('404'), 1);
}

expectType<typeof mapWithLimit>(sluice.mapWithLimit);
expectType<typeof skip>(sluice.skip);
// @ts-expect-error -- not in this version
sluice.race;
// @ts-expect-error -- internals are not for others
import('sluice/lib/binding.js');
