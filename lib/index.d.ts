/**
 * Concurrency limits, timeouts, retries and their outcomes for async work.
 *
 * - All times are milliseconds; fractions are allowed.
 * - An option that is `undefined` is absent.
 * - Nothing here throws. Invalid arguments reject the returned promise, before any callback has run and any iterator
 *   was taken: with a `TypeError` (code `ERR_INVALID_ARG_TYPE`) or a `RangeError` (code `ERR_OUT_OF_RANGE`) that names
 *   the argument and what it got. An unknown option is such an error too: `timout: 5000` is not silently ignored.
 * - Three times have the same names everywhere: `timeout` is one attempt's, `itemTimeout` one item's with all its attempts
 *   and waits, `totalTimeout` the whole call's. Where several are over at once, the widest is reported.
 * - Every callback runs in the async context (`AsyncLocalStorage`) of the call it was given to.
 *
 * @packageDocumentation
 */

/** What one attempt is told about itself; each attempt gets its own. */
export interface Context {
  /** Which item, from 0. Always 0 in `retry` and `withTimeout`. */
  readonly index: number;
  /** Which attempt at it, from 1. */
  readonly attempt: number;
  /**
   * Aborted when nobody waits for this attempt any longer, and with the reason why: its own or its item's
   * {@link TimeoutError}, the error or {@link TimeoutError} that ended the whole call, or the reason of the caller's own
   * signal. Never aborted on a normal end. Made when it is first read; an attempt that does not read it does not pay for
   * it.
   */
  readonly signal: AbortSignal;
  /**
   * How long this attempt may still take, in milliseconds, under the tightest of its timeouts: the number to hand to
   * whoever works for it, as a `Request-Timeout` header or a `statement_timeout`. Counted anew each time it is read: in
   * the turn of the event loop that the attempt started in, all of it; never below 0; 0 once the attempt is over.
   * `Infinity` where nothing bounds it (which it may stay in `retry` and `withTimeout`).
   */
  readonly remaining: number;
}

/** What the callbacks of a {@link RetryPolicy} are told: the attempt that failed, and what is planned after it. */
export interface RetryContext extends Context {
  /** Which attempt failed, from 1. */
  readonly attempt: number;
  /**
   * Aborted when nothing can come of the retry that is decided on, and with the reason why: the {@link TimeoutError} of
   * the item or of the call, the error that ended the call, or the reason of the caller's own signal.
   */
  readonly signal: AbortSignal;
  /** How long the item may still take, in milliseconds; `Infinity` where nothing bounds it. */
  readonly remaining: number;
  /** Retries that may still be made, the one that is decided on included: at least 1, maybe `Infinity`. */
  readonly retriesLeft: number;
  /**
   * The wait that is planned so far, in milliseconds: up to the `backoff` function what the option `delay` says, or what
   * the named formula came to; in `onRetry` the wait that will be made.
   */
  readonly delay: number;
  /** Milliseconds since the item's first attempt began to count. */
  readonly elapsed: number;
}

/**
 * What a mapper returns to leave its item out of the results. The item counts as done.
 *
 * @example
 * ```js
 * const names = await mapWithLimit(ids, 8, async (id) => {
 *   const user = await db.find(id);
 *   return user === null ? skip : user.name;
 * });
 * ```
 */
export const skip: unique symbol;

/**
 * What a mapper returns to end the map early. Its item is left out, nothing more is started and the source is closed at
 * once; what runs, or waits before a retry, may finish, and then the call resolves with what there is. Items that were
 * taken from the source but had not started are left out too. A failure after it still rejects.
 *
 * @example
 * ```js
 * let size = 0;
 * const pages = await mapWithLimit(urls, 8, async (url) => {
 *   const text = await fetch(url).then((response) => response.text());
 *   size += text.length;
 *   return size > 1_000_000 ? stop : text;
 * });
 * ```
 */
export const stop: unique symbol;

/** What the results hold of what a mapper returns: the value, without {@link skip} and {@link stop}. */
export type Kept<R> = Exclude<Awaited<R>, typeof skip | typeof stop>;

/** What has become of a call's items. A fresh object for each report. */
export interface Progress {
  /** How many items there are; `undefined` while an iterator has not said so yet. */
  readonly total: number | undefined;
  /** Items that were taken from the source; one of them may still wait to be started, as `rate` allows. */
  readonly started: number;
  /** Items that succeeded, those left out with {@link skip} included. */
  readonly done: number;
  /** Items that failed for good. */
  readonly failed: number;
  /** Attempts after a first one, those whose wait is not over included. */
  readonly retried: number;
  /** Attempts that timed out. */
  readonly timedOut: number;
  /** Attempts that timed out and are still running. They do not count against the limit. */
  readonly abandoned: number;
}

/**
 * How often a failed attempt is made again, and how long is waited before that.
 *
 * The callbacks are called only where a retry is left, one after the other: `retryOn` and `retryIf`, which must agree;
 * `backoff`; `retryAfter`; `onRetry`. Promises they return are awaited. One that throws, rejects, or answers with what is
 * no wait (NaN, negative, `Infinity`, no number) rejects the whole call with that: it is a mistake in the policy, not a
 * failure of the item.
 *
 * A wait that would outlast the item's or the call's time is not begun: the item fails at once with the
 * {@link TimeoutError} that would have come, its `cause` the last error.
 *
 * @example
 * ```js
 * const response = await retry(({ signal }) => send(order, { signal }), {
 *   retries: 5,
 *   delay: 200,
 *   retryIf: (error) => error instanceof HttpError && error.status >= 500,
 *   retryAfter: (error) => (error instanceof HttpError ? error.retryAfter : undefined),
 *   onRetry: (error, { attempt, delay }) => console.warn(`attempt ${attempt} failed, next in ${delay} ms`, error),
 * });
 * ```
 */
export interface RetryPolicy {
  /**
   * Attempts after the first: an integer >= 0, or `Infinity`. 3 is four attempts at most.
   * @defaultValue 3
   */
  retries?: number | undefined;
  /**
   * The base of each wait, in milliseconds; >= 0 and finite.
   * @defaultValue 1000
   */
  delay?: number | undefined;
  /**
   * How long is waited before retry `k` (from 1).
   *
   * - `'constant'`: `delay`
   * - `'linear'`: `delay * k`
   * - `'exponential'`: `delay * factor ** (k - 1)`
   * - `'decorrelated'`: drawn evenly between `delay` and three times the wait before it (the first time, three times
   *   `delay`); neither `factor` nor `jitter` applies. It is the "decorrelated jitter" of Marc Brooker, "Exponential
   *   Backoff And Jitter", AWS Architecture Blog, 2015.
   * - a function: the milliseconds it returns, >= 0 and finite
   *
   * None is longer than `maxDelay`; `jitter` comes after that.
   * @defaultValue 'exponential'
   */
  backoff?:
    | 'constant'
    | 'linear'
    | 'exponential'
    | 'decorrelated'
    | ((error: unknown, context: RetryContext) => number | PromiseLike<number>)
    | undefined;
  /**
   * What each exponential wait is multiplied by; >= 1.
   * @defaultValue 2
   */
  factor?: number | undefined;
  /**
   * No wait is longer than this, in milliseconds; `Infinity` is no cap.
   * @defaultValue 30000
   */
  maxDelay?: number | undefined;
  /**
   * `'full'` draws each wait evenly between 0 and what the other fields came to, so that many callers that failed
   * together do not come back together: the "full jitter" of Marc Brooker, "Exponential Backoff And Jitter", AWS
   * Architecture Blog, 2015.
   * @defaultValue 'full'
   */
  jitter?: 'none' | 'full' | undefined;
  /**
   * Which errors are retried: those that are an `instanceof` one of these. A {@link TimeoutError} of an attempt is asked
   * about like any other error. Absent: all of them.
   */
  retryOn?: ErrorClass | readonly ErrorClass[] | undefined;
  /** Whether this error is retried. Absent: all of them. */
  retryIf?: ((error: unknown, context: RetryContext) => boolean | PromiseLike<boolean>) | undefined;
  /**
   * What the other side asked for, as the `Retry-After` of an HTTP response: milliseconds, or a `Date` (one that is over
   * is 0). That is the wait then, without jitter. If it is more than `maxDelay`, the item fails now, with its own error.
   * `undefined` says nothing: the wait stays as planned.
   */
  retryAfter?:
    | ((error: unknown, context: RetryContext) => number | Date | undefined | PromiseLike<number | Date | undefined>)
    | undefined;
  /** Told of each retry before its wait, for logs and metrics. If it returns a promise, the wait begins after it. */
  onRetry?: ((error: unknown, context: RetryContext) => unknown) | undefined;
}

/** The class of an error, {@link TimeoutError} too, which only this package can make. */
export type ErrorClass = (abstract new (...args: never[]) => Error) | typeof TimeoutError;

/**
 * How fast attempts may start: a token bucket. It holds `burst` tokens at most and is full at first; each start takes
 * one, or waits for one in the order of asking; `max` of them come back evenly in each `per`. So in no stretch of `t`
 * milliseconds are there more than `burst + max * t / per` starts.
 *
 * @example
 * ```js
 * // A server that allows 600 requests a minute, 20 of them at once.
 * await mapWithLimit(urls, 32, load, { rate: { max: 600, per: 60_000, burst: 20 } });
 * ```
 */
export interface RateOptions {
  /** Starts in each `per`; > 0 and finite, fractions allowed. */
  max: number;
  /**
   * Milliseconds; > 0 and finite.
   * @defaultValue 1000
   */
  per?: number | undefined;
  /**
   * Starts that may come at once after a pause: an integer >= 1.
   * @defaultValue what comes back in 10 ms, at least 1
   */
  burst?: number | undefined;
}

/** What most calls can be given. */
interface CommonOptions {
  /** Ends the call at once: it rejects with `signal.reason`. */
  signal?: AbortSignal | undefined;
  /**
   * What this call waits for in time does not keep the process alive.
   * @defaultValue false
   */
  unref?: boolean | undefined;
  /** Stands in the messages of this call's timeouts, and as `label` on them. */
  label?: string | undefined;
}

interface TotalTimeoutOption {
  /**
   * For the whole call, all its attempts and waits included, in milliseconds. May be negative (end minus now), which is
   * as 0: nothing starts.
   * @defaultValue Infinity
   */
  totalTimeout?: number | undefined;
}

interface ProgressOption {
  /**
   * Told of the counts when they have changed, at most once per turn of the event loop, and once before the call
   * settles. If it throws, or returns a promise that rejects, the call rejects with that.
   */
  onProgress?: ((progress: Progress) => unknown) | undefined;
}

/** Options of {@link mapWithLimit}. */
export interface MapOptions extends CommonOptions, TotalTimeoutOption, ProgressOption {
  /**
   * For each attempt, in milliseconds. It counts from the end of the event loop's turn that started the attempt. An
   * attempt that times out is left to itself, and is one that failed: it is retried like any other.
   * @defaultValue Infinity
   */
  timeout?: number | undefined;
  /**
   * For each item with all its attempts and waits (for a retry, for `rate`), in milliseconds. It counts from the end of
   * the turn in which the item was taken from the source. When it is over the item has failed, and is not retried; an
   * attempt that runs is left to itself.
   * @defaultValue Infinity
   */
  itemTimeout?: number | undefined;
  /**
   * What happens to an item that failed: a policy, or a number, which is short for `{ retries }`.
   * @defaultValue 0
   */
  retry?: number | RetryPolicy | undefined;
  /**
   * How fast attempts may start, retries included: a number of starts per second, > 0 (`Infinity` is no limit), or
   * {@link RateOptions}. An item that waits for its start holds its place under `limit`. (An attempt at an item that is a
   * promise starts with the wait for that.)
   * @defaultValue Infinity
   */
  rate?: number | RateOptions | undefined;
  /**
   * Keeps no results: the call resolves with their number, and needs no memory for them.
   * @defaultValue false
   */
  discard?: boolean | undefined;
  /**
   * `false` goes on after a failure, through all items; if any have failed, the call then rejects with an
   * `AggregateError`, its `errors` in the order of the items. An item whose next attempt would come after `totalTimeout`
   * has failed, too; when that is over, the call rejects with it, and `cause` is the `AggregateError` of those before.
   * @defaultValue true
   */
  stopOnError?: boolean | undefined;
  /**
   * When the call ends early, by a failure, a timeout or an abort, it settles only after the attempts that run have
   * ended. Their signals are aborted at once, and `timeout` still bounds them. Attempts that had timed out before are not
   * waited for. The outcome is what it would have been.
   * @defaultValue false
   */
  drain?: boolean | undefined;
  /**
   * How many attempts that timed out may still be running before the next start waits for one of them to end: an integer
   * >= 0, or `Infinity`. Keeps a dead backend from collecting work without end. Waiting for them does not keep the
   * process alive.
   * @defaultValue Infinity
   */
  maxAbandoned?: number | undefined;
  /**
   * How long items that settle without waiting for anything may go on, in milliseconds, before timers and sockets get
   * their turn; `Infinity`: for ever.
   * @defaultValue 10
   */
  yieldAfter?: number | undefined;
}

/**
 * Calls `mapper` for each item, with never more than `limit` of them running.
 *
 * Items are taken one after the other, and only when there is room to start one: an endless source is fine. An item may
 * be a promise; it is awaited before the mapper is called, under the item's timeouts, and is not retried if it rejects.
 *
 * @param items - an array, an iterable or an async iterable
 * @param limit - an integer >= 1, or `Infinity`
 * @param mapper - called with the item, its index from 0 and the attempt's {@link Context}; may return a plain value.
 *   The first `limit` calls are made at once, as far as `rate` lets them. {@link skip} as its value leaves the item out,
 *   {@link stop} ends the map early; a {@link PermanentError} that it throws is not retried.
 * @returns the values in the order of the items; with `discard: true` how many there were
 * @throws (as a rejection)
 *   - the error of the first item that failed for good: nothing more is started, and what still runs is told by its
 *     signal; with `stopOnError: false` an `AggregateError` of all of them
 *   - a {@link TimeoutError} as such an error (`scope: 'attempt'` or `'item'`), or when `totalTimeout` is over
 *     (`scope: 'total'`; at once when the wait before a retry would outlast it, then with the last error as `cause`)
 *   - `signal.reason`; what the source's iterator threw; what a callback of the options threw
 *
 * @example
 * ```js
 * const load = (url, _index, { signal }) => fetch(url, { signal }).then((response) => response.text());
 * const pages = await mapWithLimit(urls, 8, load, {
 *   timeout: 5_000,
 *   retry: 2,
 *   rate: 50,
 *   totalTimeout: 60_000,
 *   onProgress: ({ done, total }) => console.log(`${done} of ${total}`),
 * });
 * ```
 */
export function mapWithLimit<T, R>(
  items: Iterable<T> | AsyncIterable<T>,
  limit: number,
  mapper: (item: Awaited<T>, index: number, context: Context) => R | typeof skip | typeof stop,
  options: MapOptions & { discard: true },
): Promise<number>;
export function mapWithLimit<T, R>(
  items: Iterable<T> | AsyncIterable<T>,
  limit: number,
  mapper: (item: Awaited<T>, index: number, context: Context) => R | typeof skip | typeof stop,
  options?: MapOptions & { discard?: false | undefined },
): Promise<Kept<R>[]>;
export function mapWithLimit<T, R>(
  items: Iterable<T> | AsyncIterable<T>,
  limit: number,
  mapper: (item: Awaited<T>, index: number, context: Context) => R | typeof skip | typeof stop,
  options?: MapOptions,
): Promise<Kept<R>[] | number>;

/** Options of {@link mapSettled}: those of {@link mapWithLimit}, except that it never stops on an error. */
export interface MapSettledOptions extends Omit<MapOptions, 'stopOnError'> {}

/**
 * {@link mapWithLimit} that reports each item's outcome instead of ending at the first failure.
 *
 * When `totalTimeout` is over it resolves all the same, with what there is: items that have not settled, and those of an
 * array that have not started, stand there as rejected, their reason the {@link TimeoutError} (`scope: 'total'`).
 *
 * @param items - an array, an iterable or an async iterable
 * @param limit - an integer >= 1, or `Infinity`
 * @param mapper - as in {@link mapWithLimit}, {@link skip} and {@link stop} included
 * @returns each one's outcome, in the order of the items: `{ status: 'fulfilled', value }` or
 *   `{ status: 'rejected', reason }`; with `discard: true` how many items have settled
 * @throws (as a rejection) `signal.reason`; what the source's iterator threw; what a callback of the options threw. Never
 *   an item's error.
 *
 * @example
 * ```js
 * const outcomes = await mapSettled(users, 16, (user) => notify(user), { timeout: 2_000, retry: 2 });
 * const failed = outcomes.filter(({ status }) => status === 'rejected');
 * console.log(`${failed.length} of ${outcomes.length} were not told`);
 * ```
 */
export function mapSettled<T, R>(
  items: Iterable<T> | AsyncIterable<T>,
  limit: number,
  mapper: (item: Awaited<T>, index: number, context: Context) => R | typeof skip | typeof stop,
  options: MapSettledOptions & { discard: true },
): Promise<number>;
export function mapSettled<T, R>(
  items: Iterable<T> | AsyncIterable<T>,
  limit: number,
  mapper: (item: Awaited<T>, index: number, context: Context) => R | typeof skip | typeof stop,
  options?: MapSettledOptions & { discard?: false | undefined },
): Promise<PromiseSettledResult<Kept<R>>[]>;
export function mapSettled<T, R>(
  items: Iterable<T> | AsyncIterable<T>,
  limit: number,
  mapper: (item: Awaited<T>, index: number, context: Context) => R | typeof skip | typeof stop,
  options?: MapSettledOptions,
): Promise<PromiseSettledResult<Kept<R>>[] | number>;

/** Options of {@link withTimeout}. `F` is what its fallback comes to. */
export interface TimeoutOptions<F = never> extends CommonOptions {
  /** In milliseconds. `Infinity` never expires; 0 starts the work and takes what is there at once. */
  timeout: number;
  /**
   * What the call resolves with when the time is over. A function is called for it then, and rejects the call if it
   * throws. Not used on abort. `undefined` is none.
   */
  fallback?: F | (() => F) | undefined;
}

/**
 * Waits for `work`, but not longer than `ms`.
 *
 * The time counts from the end of the event loop's turn that the call was made in, and an answer that has arrived by
 * the time it is over wins.
 *
 * @param work - a promise, a plain value, or a function that is called at once with a {@link Context} and returns
 *   either; its `signal` is aborted when the time is over
 * @param ms - milliseconds. `Infinity` never expires; 0 starts the work and takes what is there at once.
 * @param fallback - what the call resolves with when the time is over, verbatim, also if it is a function. `undefined`
 *   is none. Not an object with an AbortSignal as `signal`: that was meant as options, which are the second argument.
 * @throws (as a rejection) what `work` rejects with or throws; a {@link TimeoutError} (`scope: 'attempt'`) when the
 *   time is over and there is no fallback; in the options form `signal.reason`, and what a fallback function throws
 *
 * @example
 * ```js
 * const user = await withTimeout(db.find(id), 200);
 * const price = await withTimeout(({ signal }) => fetchPrice(id, { signal }), 300, null); // null when it takes longer
 * const rates = await withTimeout(loadRates, { timeout: 300, fallback: () => cachedRates(), label: 'rates' });
 * ```
 */
export function withTimeout<R, F = never>(
  work: R | ((context: Context) => R),
  ms: number,
  fallback?: F & (F extends { readonly signal: AbortSignal } ? never : unknown),
): Promise<Awaited<R> | Awaited<Exclude<F, undefined>>>;
export function withTimeout<R, F = never>(
  work: R | ((context: Context) => R),
  options: TimeoutOptions<F>,
): Promise<Awaited<R> | Awaited<Exclude<F, undefined>>>;

/** Options of {@link retry} and {@link execute}: a {@link RetryPolicy}, and how long it all may take. */
export interface RetryOptions extends RetryPolicy, CommonOptions, TotalTimeoutOption {
  /**
   * For each attempt, in milliseconds. An attempt that times out is one that failed: it is made again.
   * @defaultValue Infinity
   */
  timeout?: number | undefined;
}

/**
 * Calls `fn`, and again when it fails.
 *
 * In the positional form the wait before retry `k` is `delayMs * k`, without jitter. The options form has the defaults
 * of {@link RetryPolicy}.
 *
 * @param fn - called with the attempt's {@link Context}; the first call is made at once. A {@link PermanentError} that it
 *   throws is not retried.
 * @param maxRetries - attempts after the first, an integer >= 0 or `Infinity`; 3 is four calls at most
 * @param delayMs - milliseconds, >= 0 and finite
 * @returns what the attempt that succeeded came to
 * @throws (as a rejection) the last attempt's error, which with `timeout` may be a {@link TimeoutError}
 *   (`scope: 'attempt'`); a {@link TimeoutError} (`scope: 'total'`) when `totalTimeout` is over, or at once when the
 *   next wait would outlast it, then with the last error as `cause`; `signal.reason`; what a callback of the policy threw
 *
 * @example
 * ```js
 * const token = await retry(() => login(user), 3, 500); // waits 500, 1000, 1500 ms
 * const order = await retry(({ signal }) => send(body, { signal }), { retries: 5, delay: 100, timeout: 2_000 });
 * ```
 */
export function retry<R>(
  fn: (context: Context) => R,
  maxRetries?: number | undefined,
  delayMs?: number | undefined,
): Promise<Awaited<R>>;
export function retry<R>(fn: (context: Context) => R, options: RetryOptions): Promise<Awaited<R>>;

/** `fn` succeeded in the end. */
export interface ExecuteSuccess<T> {
  /** Tells the two apart. */
  readonly success: true;
  /** What the attempt that succeeded came to. */
  readonly value: T;
  /** Attempts that were started. */
  readonly attempts: number;
  /** From the call to its end, in milliseconds. */
  readonly durationMs: number;
}

/** `fn` failed for good, ran out of time, or was aborted. */
export interface ExecuteFailure {
  /** Tells the two apart. */
  readonly success: false;
  /** What {@link retry} would have rejected with. */
  readonly error: unknown;
  /** Attempts that were started; 0 where an abort or a timeout came first. */
  readonly attempts: number;
  /** From the call to its end, in milliseconds. */
  readonly durationMs: number;
}

/** What {@link execute} resolves with; `success` tells which. */
export type ExecuteResult<T> = ExecuteSuccess<T> | ExecuteFailure;

/**
 * {@link retry} that reports its outcome instead of rejecting, timeouts and aborts too.
 *
 * @param fn - as in {@link retry}
 * @param options - as in {@link retry}; there is no positional form
 * @returns `{ success: true, value, attempts, durationMs }` or `{ success: false, error, attempts, durationMs }`
 * @throws (as a rejection) the `TypeError` or `RangeError` of an invalid argument, and nothing else
 *
 * @example
 * ```js
 * const result = await execute(({ signal }) => send(order, { signal }), { retries: 2, delay: 100, timeout: 2_000 });
 * if (result.success) console.log(`sent after ${result.attempts} attempts`, result.value);
 * else console.warn(`not sent in ${result.durationMs} ms`, result.error);
 * ```
 */
export function execute<R>(fn: (context: Context) => R, options?: RetryOptions): Promise<ExecuteResult<Awaited<R>>>;

/** Options of {@link allSettled}. */
export interface SettledOptions extends CommonOptions, TotalTimeoutOption, ProgressOption {}

/**
 * `Promise.allSettled`, in less time, and bounded if you like.
 *
 * When `totalTimeout` is over it resolves all the same, with what there is: what has not settled stands there as
 * rejected, its reason the {@link TimeoutError} (`scope: 'total'`).
 *
 * @param iterable - values, promises and thenables; a tuple gives a tuple
 * @returns each one's outcome, in the same order
 * @throws (as a rejection) `signal.reason` (the promises handed in stay handled: none of them is reported as
 *   unhandled); what the iterator threw; what `onProgress` threw
 *
 * @example
 * ```js
 * const [user, orders] = await allSettled([getUser(id), getOrders(id)], { totalTimeout: 1_000 });
 * if (orders.status === 'rejected') console.warn(orders.reason);
 * ```
 */
export function allSettled<T extends readonly unknown[] | []>(
  iterable: T,
  options?: SettledOptions,
): Promise<{ -readonly [P in keyof T]: PromiseSettledResult<Awaited<T[P]>> }>;
export function allSettled<T>(
  iterable: Iterable<T | PromiseLike<T>>,
  options?: SettledOptions,
): Promise<PromiseSettledResult<Awaited<T>>[]>;

/** Options of {@link sleep}. */
export interface SleepOptions extends Pick<CommonOptions, 'signal' | 'unref'> {}

/**
 * Resolves after `ms`, never before.
 *
 * @param ms - milliseconds, >= 0 and finite, of any length
 * @throws (as a rejection) `signal.reason`
 *
 * @example
 * ```js
 * await sleep(250, { signal });
 * ```
 */
export function sleep(ms: number, options?: SleepOptions): Promise<void>;

/**
 * The time was over.
 *
 * @example
 * ```js
 * try {
 *   await retry(({ signal }) => send(order, { signal }), { timeout: 500, totalTimeout: 3_000 });
 * } catch (error) {
 *   if (error instanceof TimeoutError && error.loopBlocked > 0) console.warn('we were too busy to hear the answer');
 *   throw error;
 * }
 * ```
 */
export class TimeoutError extends Error {
  private constructor();
  readonly name: 'TimeoutError';
  /** Tells it from other errors where `instanceof` cannot, as across threads. */
  readonly code: 'ERR_SLUICE_TIMEOUT';
  /** Whose time: one attempt's, one item's with all its attempts and waits, or the whole call's. */
  readonly scope: 'attempt' | 'item' | 'total';
  /** The time that was given, in milliseconds. */
  readonly timeout: number;
  /** The time that had passed, in milliseconds, from the end of the turn in which it began to count. */
  readonly elapsed: number;
  /**
   * For how much of `elapsed` the event loop was kept busy, by turns of more than 5 ms each, in milliseconds. If it is
   * not 0, the answer may have been there and not been heard.
   */
  readonly loopBlocked: number;
  /** Which item; `undefined` in `withTimeout`, and when the time of a whole call was over. */
  readonly index: number | undefined;
  /**
   * Which attempt at it, from 1; with `scope: 'item'` the last one that was started, 0 where none was. `undefined` when
   * the time of a whole call was over.
   */
  readonly attempt: number | undefined;
  /** The call's option `label`. */
  readonly label: string | undefined;
  /**
   * With `scope: 'item'` the error of its last attempt that failed, where there was one. With `scope: 'total'` the last
   * error where the wait before the next attempt would have outlasted it; with `stopOnError: false` the `AggregateError`
   * of the items that had failed. With `scope: 'attempt'` there is none.
   */
  cause?: unknown;
}

/**
 * Thrown by a mapper or by the `fn` of {@link retry} and {@link execute}, it says that trying again is of no use: the
 * item fails at once, with the `cause` where there is one, else with this error itself.
 *
 * @example
 * ```js
 * const order = await retry(async () => {
 *   const response = await fetch(url);
 *   if (response.status === 404) throw new PermanentError('there is no such order');
 *   return response.json();
 * });
 * ```
 */
export class PermanentError extends Error {
  /**
   * @param message - as an `Error`'s
   * @param options - `cause`: the error that the call is to reject with
   */
  constructor(message?: string, options?: { cause?: unknown });
  readonly name: 'PermanentError';
  /** Tells it from other errors where `instanceof` cannot. */
  readonly code: 'ERR_SLUICE_PERMANENT';
  /** What the item fails with. */
  cause?: unknown;
}

export {};
