/**
 * Concurrency limits, timeouts, retries and their outcomes for async work.
 *
 * - All times are milliseconds; fractions are allowed.
 * - An option that is `undefined` is absent.
 * - Nothing here throws. Invalid arguments reject the returned promise, before any callback has run and any iterator
 *   was taken: with a `TypeError` (code `ERR_INVALID_ARG_TYPE`) or a `RangeError` (code `ERR_OUT_OF_RANGE`) that names
 *   the argument and what it got. An unknown option is such an error too: `timout: 5000` is not silently ignored.
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
   * Aborted when nobody waits for this attempt any longer, and with the reason why: its own {@link TimeoutError}, the
   * error or {@link TimeoutError} that ended the whole call, or the reason of the caller's own signal. Never aborted on
   * a normal end. Made when it is first read; an attempt that does not read it does not pay for it.
   */
  readonly signal: AbortSignal;
}

/** What has become of a call's items. A fresh object for each report. */
export interface Progress {
  /** How many items there are; `undefined` while an iterator has not said so yet. */
  readonly total: number | undefined;
  /** Items that were started. */
  readonly started: number;
  /** Items that succeeded. */
  readonly done: number;
  /** Items that failed for good. */
  readonly failed: number;
  /** Attempts made after a first one. */
  readonly retried: number;
  /** Attempts that timed out. */
  readonly timedOut: number;
  /** Attempts that timed out and are still running. They do not count against the limit. */
  readonly abandoned: number;
}

/** How often a failed attempt is made again, and how long is waited before that. */
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
   * How long is waited before retry `k` (from 1): `'constant'`: `delay`; `'linear'`: `delay * k`; `'exponential'`:
   * `delay * factor ** (k - 1)`.
   * @defaultValue 'exponential'
   */
  backoff?: 'constant' | 'linear' | 'exponential' | undefined;
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
   * together do not come back together.
   * @defaultValue 'full'
   */
  jitter?: 'none' | 'full' | undefined;
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
   * What happens to an item that failed: a policy, or a number, which is short for `{ retries }`.
   * @defaultValue 0
   */
  retry?: number | RetryPolicy | undefined;
  /**
   * Keeps no values: the call resolves with the number of items that were done, and needs no memory for them.
   * @defaultValue false
   */
  discard?: boolean | undefined;
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
 * be a promise; it is awaited before the mapper is called, under the item's timeout, and is not retried if it rejects.
 *
 * @param items - an array, an iterable or an async iterable
 * @param limit - an integer >= 1, or `Infinity`
 * @param mapper - called with the item, its index from 0 and the attempt's {@link Context}; may return a plain value.
 *   The first `limit` calls are made at once.
 * @returns the values in the order of the items; with `discard: true` how many there were
 * @throws (as a rejection)
 *   - the error of the first item that failed for good: nothing more is started, and what still runs is told by its
 *     signal
 *   - a {@link TimeoutError} as such an error (`scope: 'attempt'`), or when `totalTimeout` is over (`scope: 'total'`;
 *     at once when the wait before a retry would outlast it, then with the last error as `cause`)
 *   - `signal.reason`; what the source's iterator threw; what `onProgress` threw
 *
 * @example
 * ```js
 * const load = (url, _index, { signal }) => fetch(url, { signal }).then((response) => response.text());
 * const pages = await mapWithLimit(urls, 8, load, {
 *   timeout: 5_000,
 *   retry: 2,
 *   totalTimeout: 60_000,
 *   onProgress: ({ done, total }) => console.log(`${done} of ${total}`),
 * });
 * ```
 */
export function mapWithLimit<T, R>(
  items: Iterable<T> | AsyncIterable<T>,
  limit: number,
  mapper: (item: Awaited<T>, index: number, context: Context) => R,
  options: MapOptions & { discard: true },
): Promise<number>;
export function mapWithLimit<T, R>(
  items: Iterable<T> | AsyncIterable<T>,
  limit: number,
  mapper: (item: Awaited<T>, index: number, context: Context) => R,
  options?: MapOptions & { discard?: false | undefined },
): Promise<Awaited<R>[]>;
export function mapWithLimit<T, R>(
  items: Iterable<T> | AsyncIterable<T>,
  limit: number,
  mapper: (item: Awaited<T>, index: number, context: Context) => R,
  options?: MapOptions,
): Promise<Awaited<R>[] | number>;

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

/** Options of {@link retry}: a {@link RetryPolicy}, and how long it all may take. */
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
 * @param fn - called with the attempt's {@link Context}; the first call is made at once
 * @param maxRetries - attempts after the first, an integer >= 0 or `Infinity`; 3 is four calls at most
 * @param delayMs - milliseconds, >= 0 and finite
 * @returns what the attempt that succeeded came to
 * @throws (as a rejection) the last attempt's error, which with `timeout` may be a {@link TimeoutError}
 *   (`scope: 'attempt'`); a {@link TimeoutError} (`scope: 'total'`) when `totalTimeout` is over, or at once when the
 *   next wait would outlast it, then with the last error as `cause`; `signal.reason`
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
 *   await retry(send, { timeout: 500, totalTimeout: 3_000 });
 * } catch (error) {
 *   if (error.code === 'ERR_SLUICE_TIMEOUT' && error.loopBlocked > 0) log('we were too busy to hear the answer');
 *   else throw error;
 * }
 * ```
 */
export class TimeoutError extends Error {
  private constructor();
  readonly name: 'TimeoutError';
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
  /** Which attempt at it, from 1; `undefined` when the time of a whole call was over. */
  readonly attempt: number | undefined;
  /** The call's option `label`. */
  readonly label: string | undefined;
  /** The last attempt's error, when the next one would have come too late. */
  cause?: unknown;
}

export {};
