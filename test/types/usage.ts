// What a service writes, as CommonJS: it must type-check, with exactly these types, and what is marked must not.

import * as sluice from 'sluice';
import { TimeoutError, allSettled, mapWithLimit, retry, sleep, withTimeout } from 'sluice';
import type {
  Context,
  MapOptions,
  Progress,
  RetryOptions,
  RetryPolicy,
  SettledOptions,
  SleepOptions,
  TimeoutOptions,
} from 'sluice';

type Same<A, B> = (<X>() => X extends A ? 1 : 2) extends <X>() => X extends B ? 1 : 2 ? true : false;
/** Both types are the same, and neither is `any`: is<number>()(value) checks a value's. */
const is =
  <Expected>() =>
  <Actual>(_value: Actual, ..._proof: Same<Expected, Actual> extends true ? [] : [mismatch: Expected]): void => {};

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
  is<User[]>()(await mapWithLimit(ids, 4, (id) => load(id)));
  is<Promise<User[]>>()(mapWithLimit(ids, Infinity, loadInContext, {}));
  is<string[]>()(await mapWithLimit(new Set(ids), 4, (id, index) => `${id} of ${index}`));
  is<number[]>()(await mapWithLimit(stream(), 4, async (line) => line.length));
  is<string[]>()(await mapWithLimit('abc', 4, (letter) => letter));
  is<boolean[]>()(await mapWithLimit([1, 2], 4, (id): boolean | Promise<boolean> => id > 1));
  is<User[]>()(await mapWithLimit(ids, 4, () => thenable));
  is<void[]>()(await mapWithLimit(ids, 4, async () => {}));

  // Elements may be promises: the mapper gets what they come to.
  is<string[]>()(await mapWithLimit([load(1), load(2)], 2, (user) => user.name));
  await mapWithLimit([load(1), 7, thenable], 2, (item) => is<User | number>()(item));
  is<string[]>()(await mapWithLimit(ids.values(), 2, String));
  const frozen: readonly number[] = ids;
  is<number[]>()(await mapWithLimit(frozen, 2, (id) => id * 2));

  // discard: true answers with a number, and false with the values.
  is<number>()(await mapWithLimit(ids, 4, (id) => load(id), { discard: true }));
  is<number>()(await mapWithLimit(stream(), 4, (line) => line.length, { discard: true, timeout: 5 }));
  is<User[]>()(await mapWithLimit(ids, 4, (id) => load(id), { discard: false }));
  is<User[]>()(await mapWithLimit(ids, 4, (id) => load(id), { discard: undefined }));
  const options: MapOptions = { discard: ids.length > 5 };
  is<User[] | number>()(await mapWithLimit(ids, 4, (id) => load(id), options));

  const policy: RetryPolicy = { retries: 3, delay: 100, backoff: 'linear', factor: 2, maxDelay: 5000, jitter: 'none' };
  await mapWithLimit(ids, 4, (id) => load(id), {
    timeout: 1000,
    totalTimeout: 60_000,
    retry: policy,
    signal,
    onProgress: (progress) => {
      is<Progress>()(progress);
      is<number | undefined>()(progress.total);
      const { started, done, failed, retried, timedOut, abandoned } = progress;
      is<number>()(started + done + failed + retried + timedOut + abandoned);
    },
    yieldAfter: Infinity,
    unref: true,
    label: 'users',
  });
  await mapWithLimit(ids, 4, (id) => load(id), { retry: 2, signal: undefined, onProgress: async () => {} });

  mapWithLimit(ids, 4, (_id, index, context) => {
    is<number>()(index);
    is<Context>()(context);
    is<number>()(context.index + context.attempt);
    is<AbortSignal>()(context.signal);
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

export async function timeouts(): Promise<void> {
  is<User>()(await withTimeout(load(1), 200));
  is<User>()(await withTimeout(thenable, 200));
  is<number>()(await withTimeout(7 as number, 200));
  is<User>()(await withTimeout(() => load(1), 200));
  is<User>()(await withTimeout((context) => load(1, { signal: context.signal }), 200));
  is<number>()(await withTimeout(({ attempt, index }) => attempt + index, Infinity));
  is<User>()(await withTimeout(loadNow, 200));

  is<User | null>()(await withTimeout(load(1), 200, null));
  is<User | string>()(await withTimeout(() => load(1), 200, 'none' as string));
  is<User | { error: string }>()(await withTimeout(load(1), 200, { error: 'late' }));
  is<User | null>()(await withTimeout(load(1), 200, Promise.resolve(null)));
  is<User>()(await withTimeout(load(1), 200, undefined));
  // The positional fallback is taken verbatim, a function too.
  is<User | (() => number)>()(await withTimeout(load(1), 200, () => 7 as number));

  const options: TimeoutOptions = { timeout: 200, signal, unref: true, label: 'user' };
  is<User>()(await withTimeout(load(1), options));
  is<User>()(await withTimeout(load(1), { timeout: 200, signal: undefined, fallback: undefined }));
  is<User | null>()(await withTimeout(load(1), { timeout: 200, fallback: null }));
  is<User | number>()(await withTimeout(() => load(1), { timeout: 200, fallback: () => 7 as number }));
  is<User | number>()(await withTimeout(load(1), { timeout: 200, fallback: async () => 7 as number }));
  is<User>()(
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
  is<User>()(await withTimeout((id: number) => load(id), 200));
  const late = await withTimeout(load(1), 200, null);
  // @ts-expect-error -- it may be the fallback
  late.name;
}

function loadNow(): Promise<User> {
  return load(1);
}

export async function retries(): Promise<void> {
  is<User>()(await retry(() => load(1)));
  is<User>()(await retry(() => load(1), 3));
  is<User>()(await retry(() => load(1), 3, 100));
  is<User>()(await retry(() => load(1), undefined, 100));
  is<number>()(await retry(({ attempt }) => attempt));
  is<User>()(await retry(() => thenable, {}));
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
  is<User>()(await retry((context) => load(context.attempt, { signal: context.signal }), options));

  // @ts-expect-error -- a promise cannot be tried again
  retry(load(1));
  // @ts-expect-error -- options stand alone
  retry(() => load(1), { retries: 2 }, 100);
  // @ts-expect-error -- the wait is `delay`
  retry(() => load(1), { retries: 2, delayMs: 100 });
  // @ts-expect-error -- not in this version
  retry(() => load(1), { jitter: 'decorrelated' });
  // @ts-expect-error -- fn gets a context
  retry((id: number) => load(id), 3);
  // @ts-expect-error -- null is not absent
  retry(() => load(1), null);
}

export async function settles(): Promise<void> {
  const [user, count, text] = await allSettled([load(1), 7 as number, Promise.resolve('x' as string)]);
  is<PromiseSettledResult<User>>()(user);
  is<PromiseSettledResult<number>>()(count);
  is<PromiseSettledResult<string>>()(text);
  is<[]>()(await allSettled([]));
  is<PromiseSettledResult<User>[]>()(await allSettled(ids.map((id) => load(id))));
  is<PromiseSettledResult<User>[]>()(await allSettled(new Set([load(1)])));
  const pair = [load(1), 'x'] as const;
  is<[PromiseSettledResult<User>, PromiseSettledResult<'x'>]>()(await allSettled(pair));
  // The built-in's own type, word for word.
  is<Awaited<ReturnType<typeof builtIn>>>()(await allSettled([load(1), thenable, 7 as number]));

  const options: SettledOptions = { totalTimeout: 1000, signal, unref: true, label: 'page' };
  const [late] = await allSettled([load(1)], { ...options, onProgress: ({ done }) => is<number>()(done) });
  if (late.status === 'rejected') is<unknown>()(late.reason as unknown);
  else is<User>()(late.value);

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
  is<void>()(await sleep(5));
  is<void>()(await sleep(0.5, options));
  // @ts-expect-error -- how long?
  sleep();
  // @ts-expect-error -- no such option
  sleep(5, { ref: false });
}

export function errors(error: unknown): void {
  if (!(error instanceof TimeoutError)) return;
  is<Error>()(error as Error);
  is<'TimeoutError'>()(error.name);
  is<'ERR_SLUICE_TIMEOUT'>()(error.code);
  is<'attempt' | 'item' | 'total'>()(error.scope);
  is<number>()(error.timeout + error.elapsed + error.loopBlocked);
  is<number | undefined>()(error.index);
  is<number | undefined>()(error.attempt);
  is<string | undefined>()(error.label);
  is<unknown>()(error.cause);
  // @ts-expect-error -- fields are read
  error.timeout = 1;
  // @ts-expect-error -- only this package makes them
  new TimeoutError('late');
  // @ts-expect-error -- no such scope
  error.scope === 'call';
}

is<typeof mapWithLimit>()(sluice.mapWithLimit);
// @ts-expect-error -- not in this version
sluice.mapSettled;
// @ts-expect-error -- internals are not for others
import('sluice/lib/binding.js');
