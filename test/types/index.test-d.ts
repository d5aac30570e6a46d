// The exact type of each thing, and what must not compile. (tsd: expectType takes no type but the very same one.)

import { expectAssignable, expectNotAssignable, expectType } from 'tsd';
import * as sluice from 'sluice';
import {
  Mutex,
  PermanentError,
  Queue,
  RateLimiter,
  Recording,
  Semaphore,
  SluiceError,
  TaskGroup,
  TimeoutError,
  all,
  allSettled,
  any,
  asCompleted,
  consume,
  execute,
  mapSettled,
  mapStream,
  mapWithLimit,
  race,
  recorder,
  retry,
  skip,
  sleep,
  stop,
  waitFor,
  watchLoop,
  withResource,
  withTimeout,
} from 'sluice';
import type {
  AcquireTokensOptions,
  AsCompletedOptions,
  AttemptRetryMessage,
  AttemptTimeoutMessage,
  BlockedJob,
  CloseQueueOptions,
  CompletedElement,
  ConsumeOptions,
  Context,
  DiagnosticsChannels,
  ElementValue,
  ElementValues,
  ErrorClass,
  ExecuteFailure,
  ExecuteResult,
  ExecuteSuccess,
  FlightRecorder,
  JobEndMessage,
  JobMessage,
  JobStartMessage,
  Kept,
  LoopReport,
  LoopWatch,
  MapOptions,
  MapSettledOptions,
  MapStreamOptions,
  OpenWork,
  PageOptions,
  Permit,
  Progress,
  QueueOptions,
  RaceElement,
  RaceOptions,
  RateChange,
  RateLimiterOptions,
  RateOptions,
  RecordedEvent,
  RecordedEventFields,
  RecordedJob,
  RecorderOptions,
  ResourceOptions,
  ResultStream,
  RetryContext,
  RetryOptions,
  RetryPolicy,
  SemaphoreOptions,
  SettledElement,
  SettledOptions,
  SignalDump,
  SleepOptions,
  TaskContext,
  TaskGroupOptions,
  TimeoutOptions,
  Truthy,
  UseOptions,
  WaitForOptions,
  WaitOptions,
  WatchOptions,
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
  expectAssignable<ErrorClass>(SluiceError);
  expectAssignable<ErrorClass>(Failure);
  expectNotAssignable<ErrorClass>(Map);
  expectNotAssignable<ErrorClass>((error: Error) => error);
  expectType<number | RetryPolicy | undefined>({} as MapOptions['retry']);
  expectType<number | RateOptions | RateLimiter | undefined>({} as MapOptions['rate']);
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
  expectType<'attempt' | 'item' | 'total' | 'wait'>(error.scope);
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

export function states(error: unknown): void {
  if (!(error instanceof SluiceError)) return;
  expectAssignable<Error>(error);
  expectType<'SluiceError'>(error.name);
  expectType<
    | 'ERR_SLUICE_FULL'
    | 'ERR_SLUICE_CLOSED'
    | 'ERR_SLUICE_RELEASED'
    | 'ERR_SLUICE_TASK_DONE'
    | 'ERR_SLUICE_SHARED_MISMATCH'
    | 'ERR_SLUICE_NOT_RECORDING'
    | 'ERR_SLUICE_RECORDING'
  >(error.code);
  // @ts-expect-error -- fields are read
  error.code = 'ERR_SLUICE_FULL';
  // @ts-expect-error -- only this package makes them
  new SluiceError('ERR_SLUICE_FULL', 'full');
  // @ts-expect-error -- no such code
  error.code === 'ERR_SLUICE_TIMEOUT';
}

export async function semaphores(): Promise<void> {
  const options: SemaphoreOptions = { maxWaiting: 5 };
  const semaphore = new Semaphore(4, options);
  expectType<Semaphore>(semaphore);
  expectType<Semaphore>(new Semaphore(Infinity));
  expectType<Semaphore>(new Semaphore(1, { maxWaiting: undefined, shared: undefined }));
  expectType<Semaphore>(new Semaphore(1, { shared: 'disk' }));

  const wait: WaitOptions = { signal, timeout: 5 };
  const permit = await semaphore.acquire();
  expectType<Permit>(permit);
  expectType<Promise<Permit>>(semaphore.acquire(2));
  expectType<Permit>(await semaphore.acquire(2, wait));
  expectType<Permit>(await semaphore.acquire(undefined, { signal: undefined, timeout: undefined }));
  expectType<Permit>(await semaphore.acquire(wait));
  expectType<Permit | undefined>(semaphore.tryAcquire());
  expectType<Permit | undefined>(semaphore.tryAcquire(2));
  expectType<number>(permit.weight);
  expectType<boolean>(permit.isReleased);
  expectType<void>(permit.release());
  expectType<void>(permit[Symbol.dispose]());
  expectAssignable<Disposable>(permit);

  expectType<User>(await semaphore.use(() => load(1)));
  expectType<User>(await semaphore.use(() => thenable, { weight: 2, signal, timeout: 5 } satisfies UseOptions));
  expectType<number>(await semaphore.use((own) => (expectType<Permit>(own), 7 as number)));
  expectType<void>(await semaphore.use(() => {}));
  expectType<void>(semaphore.resize(5));
  expectType<void>(semaphore.close());
  expectType<number>(semaphore.permits + semaphore.available + semaphore.waiting);

  // @ts-expect-error -- how many?
  new Semaphore();
  // @ts-expect-error -- a number
  new Semaphore('4');
  // @ts-expect-error -- no such option
  new Semaphore(4, { maxQueue: 5 });
  // @ts-expect-error -- a name
  new Semaphore(4, { shared: true });
  // @ts-expect-error -- a class
  Semaphore(4);
  // @ts-expect-error -- options are the last argument
  semaphore.acquire(wait, 2);
  // @ts-expect-error -- no such option
  semaphore.acquire({ timeoutMs: 5 });
  // @ts-expect-error -- the weight is the first argument
  semaphore.acquire({ weight: 2 });
  // @ts-expect-error -- it does not wait
  semaphore.tryAcquire(1, { timeout: 5 });
  // @ts-expect-error -- there may be none
  semaphore.tryAcquire().release();
  // @ts-expect-error -- not awaited
  semaphore.acquire().release();
  // @ts-expect-error -- the work is a function
  semaphore.use(load(1));
  // @ts-expect-error -- it gets a permit
  semaphore.use((id: number) => load(id));
  // @ts-expect-error -- resize() changes it
  semaphore.permits = 5;
  // @ts-expect-error -- permits are read
  permit.weight = 5;
  // @ts-expect-error -- there is no such class to be had
  new sluice.Permit(semaphore, 1);
  // A thing of the same shape is no semaphore.
  expectNotAssignable<Semaphore>({} as Pick<Semaphore, keyof Semaphore>);
}

export async function mutexes(): Promise<void> {
  const mutex = new Mutex();
  expectType<Mutex>(mutex);
  expectType<Mutex>(new Mutex({ maxWaiting: 5, shared: 'index' }));
  expectAssignable<Semaphore>(mutex);
  expectNotAssignable<Mutex>(new Semaphore(1));
  expectType<boolean>(mutex.isLocked);
  expectType<User>(await mutex.runExclusive(() => load(1)));
  expectType<number>(await mutex.runExclusive(({ weight }) => weight, { signal, timeout: 5 }));
  expectType<Permit>(await mutex.acquire({ signal }));
  expectType<Permit | undefined>(mutex.tryAcquire());
  expectType<void>(mutex.resize(1));

  // @ts-expect-error -- of one
  new Mutex(1);
  // @ts-expect-error -- of one
  mutex.runExclusive(() => load(1), { weight: 1 });
  // @ts-expect-error -- it is only read
  mutex.isLocked = true;
}

export async function limiters(): Promise<void> {
  const options: RateLimiterOptions = { max: 600, per: 60_000, burst: 20, maxWaiting: 100 };
  const limiter = new RateLimiter(options);
  expectType<RateLimiter>(limiter);
  expectType<RateLimiter>(new RateLimiter(5));
  expectType<RateLimiter>(new RateLimiter({ max: 0.5, per: undefined, burst: undefined, maxWaiting: undefined }));
  expectType<RateLimiter>(new RateLimiter({ ...options, shared: 'quota' }));
  expectAssignable<RateOptions>(options);

  const wait: AcquireTokensOptions = { signal, timeout: 5, unref: true };
  expectType<Promise<number>>(limiter.acquire());
  expectType<number>(await limiter.acquire(2, wait));
  expectType<number>(await limiter.acquire(wait));
  expectType<boolean>(limiter.tryAcquire());
  expectType<boolean>(limiter.tryAcquire(2));
  expectType<void>(limiter.reconfigure({ max: 5 }));
  expectType<void>(limiter.reconfigure({ max: undefined, per: 5, burst: 1 } satisfies RateChange));
  expectType<void>(limiter.penalize(500));
  expectType<void>(limiter.close());
  expectType<number>(limiter.available + limiter.waiting);

  // @ts-expect-error -- how many?
  new RateLimiter();
  // @ts-expect-error -- how many?
  new RateLimiter({ per: 1000 });
  // @ts-expect-error -- options stand alone
  new RateLimiter(5, { burst: 1 });
  // @ts-expect-error -- a number
  limiter.acquire('2');
  // @ts-expect-error -- a name
  new RateLimiter({ max: 5, shared: 5 });
  // @ts-expect-error -- a call's own rate has no name
  mapWithLimit(ids, 4, (id) => load(id), { rate: { max: 5, shared: 'quota' } });
  // @ts-expect-error -- how many may wait does not change
  limiter.reconfigure({ maxWaiting: 5 });
  // @ts-expect-error -- how long?
  limiter.penalize();
  // @ts-expect-error -- tokens are not given back
  limiter.release();
  // @ts-expect-error -- no permits, and so no weight
  limiter.use(() => load(1));
  expectNotAssignable<RateLimiter>(new Semaphore(1));
}

export async function shared(): Promise<void> {
  const semaphore = new Semaphore(4);
  const limiter = new RateLimiter(5);
  expectType<User[]>(await mapWithLimit(ids, semaphore, (id) => load(id), { rate: limiter }));
  expectType<number>(await mapWithLimit(ids, new Mutex(), (id) => load(id), { discard: true, rate: limiter }));
  expectType<PromiseSettledResult<User>[]>(await mapSettled(ids, semaphore, (id) => load(id), { rate: limiter }));
  const limit: number | Semaphore = ids.length > 5 ? semaphore : 4;
  expectType<User[]>(await mapWithLimit(ids, limit, (id) => load(id)));
  expectType<number[]>(await mapWithLimit([load(1)], semaphore, ({ id }) => (id > 1 ? id : skip)));

  // @ts-expect-error -- a limiter is a rate
  mapWithLimit(ids, limiter, (id) => load(id));
  // @ts-expect-error -- and a semaphore a limit
  mapWithLimit(ids, 4, (id) => load(id), { rate: semaphore });
  // @ts-expect-error -- not of the options
  mapWithLimit(ids, { permits: 4 }, (id) => load(id));
  // @ts-expect-error -- retries are not rated
  retry(() => load(1), { rate: limiter });
}

export async function queues(): Promise<void> {
  const options: QueueOptions = { maxSize: 5 };
  const queue = new Queue<User>(options);
  expectType<Queue<User>>(queue);
  expectType<Queue<unknown>>(new Queue());
  expectType<Queue<number>>(new Queue<number>({ maxSize: undefined }));
  const wait: WaitOptions = { signal, timeout: 5 };
  const user = await load(1);
  expectType<Promise<void>>(queue.put(user));
  expectType<void>(await queue.put(user, wait));
  expectType<boolean>(queue.tryPut(user));
  expectType<Promise<User>>(queue.get());
  expectType<User>(await queue.get(wait));
  expectType<User | undefined>(queue.tryGet());
  for await (const one of queue) expectType<User>(one);
  expectType<AsyncIterableIterator<User>>(queue[Symbol.asyncIterator]());
  expectType<void>(queue.taskDone());
  expectType<Promise<void>>(queue.join());
  expectType<void>(await queue.join(wait));
  expectType<void>(queue.close());
  expectType<void>(queue.close({ discard: true } satisfies CloseQueueOptions));
  expectType<number>(queue.size + queue.maxSize);
  expectType<boolean>(queue.isClosed);
  // A queue is a source.
  expectType<string[]>(await mapWithLimit(queue, 4, ({ name }) => name));

  // @ts-expect-error -- options, not a size
  new Queue<User>(5);
  // @ts-expect-error -- what?
  queue.put();
  // @ts-expect-error -- not one of these
  queue.put(5);
  // @ts-expect-error -- the user, not its promise
  queue.put(load(1));
  // @ts-expect-error -- it does not wait
  queue.tryPut(user, wait);
  // @ts-expect-error -- there may be none
  queue.tryGet().name;
  // @ts-expect-error -- one at a time
  queue.taskDone(2);
  // @ts-expect-error -- no such option
  queue.close({ drain: true });
  // @ts-expect-error -- it is only read
  queue.size = 0;
  for (const _ of [] as Iterable<User>) break;
  // @ts-expect-error -- it waits: `for await`
  for (const _ of queue) break;
}

export async function consumers(): Promise<void> {
  const counts = await consume(stream(), (line, index, context) => {
    expectType<string>(line);
    expectType<number>(index);
    expectType<Context>(context);
  });
  expectType<Progress>(counts);
  expectType<Progress>(await consume(ids, (id) => load(id), {}));
  expectType<Progress>(await consume([load(1)], async (user) => (user.id > 5 ? stop : skip)));
  await consume(ids, (id) => load(id), {
    workers: 4,
    maxQueue: 8,
    retry: { retries: 2 },
    timeout: 5,
    itemTimeout: 50,
    totalTimeout: 500,
    rate: new RateLimiter(5),
    onError: (error, id, index) => {
      expectType<unknown>(error);
      expectType<number>(id);
      expectType<number>(index);
      return index > 5 ? stop : undefined;
    },
    onProgress: (progress) => expectType<Progress>(progress),
    drain: true,
    maxAbandoned: 5,
    yieldAfter: 5,
    signal,
    unref: true,
    label: 'users',
  });
  await consume([load(1)], (user) => user, { onError: async (_error, user) => expectType<User | Promise<User>>(user) });
  const options: ConsumeOptions = { workers: new Semaphore(4), onError: (_error, item) => expectType<unknown>(item) };
  expectType<Progress>(await consume(ids, (id) => load(id), options));
  expectAssignable<ConsumeOptions<number>>({ workers: undefined, maxQueue: undefined, onError: undefined });
  expectType<never>({} as never as Extract<keyof ConsumeOptions, 'discard' | 'stopOnError'>);

  // @ts-expect-error -- the worker is the second argument
  consume(ids, 4, (id) => load(id));
  // @ts-expect-error -- a number cannot be iterated
  consume(7, (id) => id);
  // @ts-expect-error -- the worker's parameter is not what the items are
  consume(ids, (id: string) => id);
  // @ts-expect-error -- that is `workers`
  consume(ids, (id) => id, { limit: 4 });
  // @ts-expect-error -- that is `onError`
  consume(ids, (id) => id, { stopOnError: false });
  // @ts-expect-error -- it keeps nothing
  consume(ids, (id) => id, { discard: false });
}

export async function groups(): Promise<void> {
  const options: TaskGroupOptions = { limit: 4, signal, totalTimeout: 5, label: 'page' };
  const page = await TaskGroup.run(async (group) => {
    expectType<TaskGroup>(group);
    const user = group.run(({ signal: own }) => load(1, { signal: own }));
    expectType<Promise<User>>(user);
    expectType<Promise<number>>(group.run(() => 7 as number));
    expectType<Promise<void>>(group.run(async () => {}));
    expectType<Promise<User>>(group.run(() => thenable));
    group.run((context) => {
      expectType<TaskContext>(context);
      expectAssignable<Context>(context);
      expectType<1>(context.attempt);
      expectType<number>(context.index + context.remaining);
      expectType<AbortSignal>(context.signal);
    });
    expectType<Promise<User>>(group.nest((inner) => inner.run(() => user), { limit: 1 }));
    expectType<Promise<TaskGroup>>(group.nest((inner) => (expectType<TaskGroup>(inner), inner)));
    expectType<AbortSignal>(group.signal);
    expectType<number>(group.size);
    expectType<number | Semaphore>(group.limit);
    return [await user, 7 as number] as const;
  }, options);
  expectType<readonly [User, number]>(page);
  expectType<Promise<User>>(TaskGroup.run(() => load(1)));
  expectType<string>(await TaskGroup.run(() => 'x' as string, {}));

  const group = new TaskGroup({ limit: new Semaphore(4), signal: undefined, totalTimeout: undefined });
  expectType<TaskGroup>(new TaskGroup());
  expectType<Promise<void>>(group.close());
  expectType<Promise<void>>(group[Symbol.asyncDispose]());
  expectAssignable<AsyncDisposable>(group);
  // What takes a Context takes a TaskContext.
  expectType<Promise<number>>(group.run((context: Context) => context.attempt));

  // @ts-expect-error -- a task is a function
  group.run(load(1));
  // @ts-expect-error -- it gets a context
  group.run((id: number) => load(id));
  // @ts-expect-error -- options are the group's
  group.run(() => load(1), { timeout: 5 });
  // @ts-expect-error -- what is to be done in it?
  TaskGroup.run(options);
  // @ts-expect-error -- no such option
  new TaskGroup({ concurrency: 4 });
  // @ts-expect-error -- of the whole group
  new TaskGroup({ timeout: 5 });
  // @ts-expect-error -- limits do not change
  group.limit = 5;
  // @ts-expect-error -- of a group, not of the class
  TaskGroup.nest(() => {});
  expectNotAssignable<TaskGroup>({} as Pick<TaskGroup, keyof TaskGroup>);
}

export async function streams(): Promise<void> {
  const users = mapStream(ids, 4, (id) => load(id));
  expectType<ResultStream<User>>(users);
  expectAssignable<AsyncIterableIterator<User>>(users);
  expectAssignable<AsyncDisposable>(users);
  for await (const user of users) expectType<User>(user);
  for await (const id of mapStream(stream(), new Semaphore(4), (line) => (line === '' ? skip : line.length)))
    expectType<number>(id);
  for await (const name of mapStream([load(1), 7], Infinity, (item) => (typeof item === 'number' ? stop : item.name)))
    expectType<string>(name);
  expectType<IteratorResult<User, undefined>>(await users.next());
  expectType<IteratorResult<User, undefined>>(await users.return());
  expectType<Promise<void>>(users[Symbol.asyncDispose]());
  expectType<ResultStream<User>>(users[Symbol.asyncIterator]());
  const { done, value } = await users.next();
  if (!done) expectType<User>(value);
  else expectType<undefined>(value);

  const options: MapStreamOptions = { ordered: false, highWaterMark: 5, retry: 2, rate: 5, stopOnError: false, signal };
  mapStream(
    ids,
    4,
    (id, index, context) => {
      expectType<number>(id + index);
      expectType<Context>(context);
    },
    options,
  );
  expectType<'discard'>({} as Exclude<keyof MapOptions, keyof MapStreamOptions>);
  expectType<'ordered' | 'highWaterMark'>({} as Exclude<keyof MapStreamOptions, keyof MapOptions>);
  // A stream is a source.
  expectType<string[]>(await mapWithLimit(users, 4, ({ name }) => name));

  // @ts-expect-error -- no limit
  mapStream(ids, (id) => id);
  // @ts-expect-error -- its results are what it is for
  mapStream(ids, 4, (id) => id, { discard: true });
  // @ts-expect-error -- ordered is yes or no
  mapStream(ids, 4, (id) => id, { ordered: 'yes' });
  // @ts-expect-error -- it is no promise
  mapStream(ids, 4, (id) => id).then(() => {});
  // @ts-expect-error -- it waits: `for await`
  for (const _ of users) break;
}

export async function completions(): Promise<void> {
  for await (const element of asCompleted([load(1), load(2)])) {
    expectType<CompletedElement<User>>(element);
    expectType<number>(element.index);
    expectType<User>(element.value);
    // @ts-expect-error -- only with settle: true
    element.status;
  }
  expectType<ResultStream<CompletedElement<User | number>>>(asCompleted([load(1), 7 as number, thenable]));
  expectType<ResultStream<CompletedElement<User>>>(asCompleted(new Set([load(1)]), { settle: false }));
  for await (const element of asCompleted(
    ids.map((id) => load(id)),
    { settle: true, totalTimeout: 5 },
  )) {
    expectType<SettledElement<User>>(element);
    expectType<number>(element.index);
    if (element.status === 'fulfilled') expectType<User>(element.value);
    else expectType<any>(element.reason);
    // @ts-expect-error -- only one of them has it
    element.value;
  }
  const options: AsCompletedOptions = { settle: ids.length > 5, signal, totalTimeout: 5, label: 'users' };
  for await (const element of asCompleted([load(1)], options))
    expectType<CompletedElement<User> | SettledElement<User>>(element);

  // @ts-expect-error -- a promise cannot be iterated
  asCompleted(load(1));
  // @ts-expect-error -- what is to come is not taken
  asCompleted(stream());
  // @ts-expect-error -- it has no attempts
  asCompleted([load(1)], { timeout: 5 });
}

export async function races(): Promise<void> {
  const options: RaceOptions = { signal, totalTimeout: 5, label: 'mirrors' };
  // As the built-ins.
  const given = [load(1), thenable, 7 as number, Promise.resolve('x' as string)] as const;
  expectType<Awaited<ReturnType<typeof builtInRace>>>(await race(given));
  expectType<Awaited<ReturnType<typeof builtInAny>>>(await any(given));
  expectType<Awaited<ReturnType<typeof builtInAll>>>(await all(given));
  expectType<User | number>(await race([load(1), 7 as number], options));
  expectType<User | number>(await any([load(1), 7 as number], options));
  expectType<[User, number, string]>(await all([load(1), 7 as number, Promise.resolve('x' as string)], options));
  expectType<User>(await race(ids.map((id) => load(id))));
  expectType<User>(await any(new Set([load(1)])));
  expectType<User[]>(await all(ids.map((id) => load(id))));
  expectType<(User | number)[]>(await all(new Set([load(1), 7 as number])));
  expectType<never>(await race([], options));
  expectType<never>(await any([]));
  expectType<[]>(await all([]));
  expectType<[User, null, undefined]>(await all([load(1), null, undefined]));
  expectType<[number, string]>(await all([1, 'x']));

  // Functions.
  expectType<User>(await race([({ signal: own }) => load(1, { signal: own }), () => thenable]));
  expectType<User | string | null>(
    await race([(context) => (expectType<Context>(context), 'x' as string), load(1), null]),
  );
  expectType<User | number>(await any([() => load(1), async ({ index }) => index]));
  expectType<[User, number, string]>(await all([() => load(1), (context) => context.index, 'x' as string]));
  expectType<User[]>(await all(ids.map((id) => (context: Context) => load(id, context))));
  expectType<User>(
    await race(
      ids.map(
        (id) =>
          ({ signal: own }: Context) =>
            load(id, { signal: own }),
      ),
    ),
  );
  expectType<User | number>(await any(new Set([() => load(1), 7 as number])));
  expectType<[any, unknown]>(await all([{} as any, {} as unknown]));

  // The type of what it is for says nothing about the functions.
  const named: [User, number] = await all([({ signal: own }) => load(1, { signal: own }), ({ index }) => index]);
  const either: User | number = await race([({ signal: own }) => load(1, { signal: own }), ({ index }) => index]);
  expectType<[User, number]>(named);
  expectType<User | number>(either);

  expectType<[User, string]>({} as ElementValues<readonly [() => Promise<User>, string]>);
  expectType<User>({} as ElementValue<() => Promise<User>>);
  expectType<User>({} as ElementValue<PromiseLike<User>>);
  expectType<number>({} as ElementValue<(context: Context) => number>);
  expectType<User | number>({} as ElementValue<Promise<User> | (() => number)>);
  expectAssignable<RaceElement>(null);
  expectAssignable<RaceElement>(load);

  // @ts-expect-error -- a promise cannot be iterated
  race(load(1));
  // @ts-expect-error -- nor can arguments be
  any(load(1), load(2));
  // @ts-expect-error -- what is to come is not taken
  all(stream());
  // @ts-expect-error -- no such option
  race([load(1)], { timeout: 5 });
  // @ts-expect-error -- there is no third result
  (await all([load(1), load(2)]))[2];
  // @ts-expect-error -- a context has no such field
  race([({ timeout }) => timeout]);
  // @ts-expect-error -- one that takes something else is not called with it
  (await all([(id: number) => load(id)]))[0] satisfies User;
}

function builtInRace() {
  return Promise.race([load(1), thenable, 7 as number, Promise.resolve('x' as string)]);
}
function builtInAny() {
  return Promise.any([load(1), thenable, 7 as number, Promise.resolve('x' as string)]);
}
function builtInAll() {
  return Promise.all([load(1), thenable, 7 as number, Promise.resolve('x' as string)]);
}

export async function polls(): Promise<void> {
  const options: WaitForOptions = {
    interval: 5,
    backoff: 'linear',
    factor: 2,
    maxDelay: 50,
    timeout: 500,
    signal,
    unref: true,
    label: 'ready',
  };
  expectType<true>(await waitFor(() => ids.length > 5, options));
  expectType<true>(await waitFor(async () => ids.length > 5));
  expectType<User>(await waitFor(async ({ attempt }) => (attempt > 5 ? load(1) : undefined)));
  expectType<User>(await waitFor(() => ids.length > 5 && load(1)));
  expectType<string>(await waitFor((context) => (expectType<Context>(context), 'x' as string | null)));
  expectType<number>(await waitFor(() => ids.length));
  expectType<unknown>(await waitFor((): unknown => ids[0]));
  expectType<any>(await waitFor((): any => ids[0]));
  expectType<User>({} as Truthy<Promise<User | null> | '' | 0 | 0n | false | undefined>);
  // A forgotten `return` waits for ever.
  expectType<never>(await waitFor(() => {}));

  // @ts-expect-error -- a promise is asked only once
  waitFor(load(1));
  // @ts-expect-error -- it gets a context
  waitFor((id: number) => load(id));
  // @ts-expect-error -- options have names
  waitFor(() => true, 100);
  // @ts-expect-error -- the wait is `interval`
  waitFor(() => true, { delay: 100 });
  // @ts-expect-error -- polls do not flee from each other
  waitFor(() => true, { jitter: 'full' });
  // @ts-expect-error -- nor so
  waitFor(() => true, { backoff: 'decorrelated' });
}

export async function resources(): Promise<void> {
  const options: ResourceOptions = { signal, timeout: 5, label: 'user' };
  expectType<string>(
    await withResource(
      (context) => load(1, context),
      (user, outcome) => {
        expectType<User>(user);
        expectType<PromiseSettledResult<unknown>>(outcome);
        if (outcome.status === 'rejected') expectType<any>(outcome.reason);
        else expectType<unknown>(outcome.value);
      },
      async (user, context) => {
        expectType<User>(user);
        expectType<Context>(context);
        return user.name;
      },
      options,
    ),
  );
  expectType<number>(
    await withResource(
      () => 7 as number,
      () => {},
      (seven) => seven,
    ),
  );
  expectType<User>(
    await withResource(
      () => thenable,
      async () => {},
      (user) => Promise.resolve(user),
      {},
    ),
  );

  const get = () => load(1);
  const free = () => {};
  const ofId = (id: number) => id;
  // @ts-expect-error -- used by whom?
  withResource(get, free);
  // @ts-expect-error -- acquired by a function
  withResource(load(1), free, free);
  // @ts-expect-error -- not what was acquired
  withResource(get, ofId, free);
  // @ts-expect-error -- not what was acquired
  withResource(get, free, ofId);
  // @ts-expect-error -- no such option
  withResource(get, free, free, { totalTimeout: 5 });
}

export function watches(): void {
  const options: WatchOptions = { threshold: 100, stack: false, log: 'stuck.jsonl', onBlocked: async () => {} };
  const watch = watchLoop(options);
  expectType<LoopWatch>(watch);
  expectType<LoopWatch>(watchLoop());
  expectType<LoopWatch>(watchLoop({ threshold: undefined, stack: undefined, log: undefined, onBlocked: undefined }));
  expectType<LoopWatch>(watchLoop({ log: false, onBlocked: (report) => expectType<LoopReport>(report) }));
  expectType<void>(watch.stop());
  expectType<void>(watch[Symbol.dispose]());
  expectAssignable<Disposable>(watch);

  // @ts-expect-error -- a number
  watchLoop(200);
  // @ts-expect-error -- to a file, to stderr, or nowhere
  watchLoop({ log: true });
  // @ts-expect-error -- no such option
  watchLoop({ timeout: 200 });
}

export function blocked(report: LoopReport): void {
  expectType<'loop-blocked'>(report.event);
  expectType<string>(report.time);
  expectType<string>(report.since);
  expectType<'start' | 'timers' | 'poll' | 'check'>(report.phase);
  for (const ms of [report.blockedFor, report.threshold]) expectType<number>(ms);
  for (const id of [report.pid, report.thread]) expectType<number>(id);
  expectType<BlockedJob | null>(report.job);
  expectType<OpenWork>(report.open);
  for (const count of [report.open.jobs, report.open.lanes, report.open.waiters]) expectType<number>(count);
  expectType<readonly string[] | null>(report.stack);
  expectType<string | null>(report.stackError);
  if (report.job === null) return;
  expectType<string | null>(report.job.label);
  for (const number of [report.job.item, report.job.attempt]) expectType<number>(number);
}

export function recordings(): void {
  expectType<FlightRecorder>(recorder);
  expectType<boolean>(recorder.isRecording);
  expectType<void>(recorder.start());
  expectType<void>(recorder.start({ events: 1_000 } satisfies RecorderOptions));
  expectType<void>(recorder.stop());
  expectType<string>(recorder.toChromeTrace());
  expectType<string>(recorder.toHTML());
  const title: PageOptions = { title: 'flight' };
  expectType<string>(recorder.toHTML(title));
  const dump = recorder.dumpOnSignal('SIGUSR2', 'flight.json');
  expectType<SignalDump>(dump);
  expectType<void>(dump.stop());
  expectType<void>(dump[Symbol.dispose]());
  expectType<SignalDump>(recorder.dumpOnSignal('SIGUSR2' as NodeJS.Signals, 'flight.json'));

  const recording = recorder.snapshot();
  expectType<Recording>(recording);
  expectType<Recording>(Recording.read('{}'));
  expectType<Recording>(Recording.read(Buffer.from('{}')));
  expectType<1>(recording.version);
  expectType<number>(recording.startedAt + recording.duration + recording.lost + recording.pid + recording.thread);
  expectType<readonly RecordedJob[]>(recording.jobs);
  expectType<readonly RecordedEvent[]>(recording.events);
  expectType<string>(recording.toChromeTrace());
  expectType<string>(recording.toHTML(title));
  expectType<object>(recording.toJSON());
  for (const { id, name } of recording.jobs) {
    expectType<number>(id);
    expectType<string>(name);
  }

  // @ts-expect-error -- snapshot() and read() make them
  new Recording();
  // @ts-expect-error -- fields are read
  recording.lost = 0;
  // @ts-expect-error -- so are lists
  recording.events.pop();
  // @ts-expect-error -- start() changes it
  recorder.isRecording = true;
  // @ts-expect-error -- a number of them
  recorder.start(1_000);
  // @ts-expect-error -- to which file?
  recorder.dumpOnSignal('SIGUSR2');
  // @ts-expect-error -- no signal's name
  recorder.dumpOnSignal('USR2', 'flight.json');
  // @ts-expect-error -- no such option
  recorder.toHTML({ name: 'flight' });
}

export function events(event: RecordedEvent): void {
  expectAssignable<RecordedEventFields>(event);
  expectType<number>(event.time + event.job + event.lane + event.item + event.attempt);
  expectType<number | undefined>(event.ms);
  switch (event.kind) {
    case 'retry':
    case 'block':
      expectType<number>(event.ms);
      break;
    case 'timeout':
      expectType<TimeoutError['scope']>(event.reason);
      break;
    case 'park':
    case 'wake':
      expectType<'limit' | 'rate' | 'backoff' | 'room' | 'abandoned' | 'yield'>(event.reason);
      break;
    case 'close':
      expectType<'done' | 'fail' | 'drain'>(event.reason);
      break;
    default:
      expectType<'open' | 'start' | 'settle' | 'fail' | 'abandon' | 'late' | 'yield' | 'abort'>(event.kind);
      expectType<string | undefined>(event.reason);
  }
  // @ts-expect-error -- no such kind
  event.kind === 'end';
}

export function messages(
  start: JobStartMessage,
  end: JobEndMessage,
  timeout: AttemptTimeoutMessage,
  retried: AttemptRetryMessage,
): void {
  for (const message of [start, end, timeout, retried]) {
    expectAssignable<JobMessage>(message);
    expectType<number>(message.id);
    expectType<string>(message.name);
    expectType<string | undefined>(message.label);
  }
  expectType<number | undefined>(start.items);
  expectType<number>(start.limit);
  expectType<'fulfilled' | 'rejected'>(end.outcome);
  expectType<unknown>(end.error);
  expectType<number>(end.durationMs + end.counts.started + end.counts.done + end.counts.failed + end.counts.retried);
  expectType<number>(end.counts.timedOut + end.counts.abandoned);
  expectType<TimeoutError['scope']>(timeout.scope);
  expectType<number | undefined>(timeout.index);
  expectType<number | undefined>(timeout.attempt);
  expectType<number>(timeout.timeout + timeout.elapsed);
  expectType<TimeoutError>(timeout.error);
  expectType<number>(retried.index + retried.attempt + retried.delay);
  expectType<unknown>(retried.error);
  expectType<'sluice:job:start' | 'sluice:job:end' | 'sluice:attempt:timeout' | 'sluice:attempt:retry'>(
    '' as keyof DiagnosticsChannels,
  );
  expectType<JobStartMessage>({} as DiagnosticsChannels['sluice:job:start']);
  expectType<JobEndMessage>({} as DiagnosticsChannels['sluice:job:end']);
  expectType<AttemptTimeoutMessage>({} as DiagnosticsChannels['sluice:attempt:timeout']);
  expectType<AttemptRetryMessage>({} as DiagnosticsChannels['sluice:attempt:retry']);

  // @ts-expect-error -- nobody counts the rest
  end.counts.total;
  // @ts-expect-error -- fields are read
  start.items = 5;
}

expectType<typeof mapWithLimit>(sluice.mapWithLimit);
expectType<typeof skip>(sluice.skip);
// @ts-expect-error -- nothing of this name
sluice.pool;
// @ts-expect-error -- internals are not for others
import('sluice/lib/binding.js');
