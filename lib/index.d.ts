/**
 * Concurrency limits, timeouts, retries and their outcomes for async work; what coordinates it: semaphores and rate
 * limiters, for all threads if you like, queues, task groups, streams of results; and what tells of it: a watchdog of the
 * event loop, a flight recorder, diagnostics channels.
 *
 * - All times are milliseconds; fractions are allowed.
 * - An option that is `undefined` is absent.
 * - What returns a promise never throws. Invalid arguments reject the promise, before any callback has run and any
 *   iterator was taken: with a `TypeError` (code `ERR_INVALID_ARG_TYPE`) or a `RangeError` (code `ERR_OUT_OF_RANGE`) that
 *   names the argument and what it got. An unknown option is such an error too: `timout: 5000` is not silently ignored.
 *   What returns something else (constructors, `try…`, `resize`, streams) throws those errors.
 * - Three times have the same names everywhere: `timeout` is one attempt's, `itemTimeout` one item's with all its attempts
 *   and waits, `totalTimeout` the whole call's. Where several are over at once, the widest is reported. Of a method that
 *   only waits (`acquire`, `put`, `get`), `timeout` is the wait's.
 * - A `signal` ends a call with `signal.reason` itself. One that is aborted already does so too, also where nothing would
 *   have to be waited for.
 * - Every callback runs in the async context (`AsyncLocalStorage`) of the call it was given to.
 * - A class's method that is called on an object of another kind is a `TypeError` (code `ERR_INVALID_THIS`).
 *
 * In TypeScript these declarations need `AbortSignal`, `Symbol.dispose` and `Symbol.asyncDispose`, all of which
 * `@types/node` (20.5 or newer) declares for any `lib` from `es2022` on; without it, take `dom` and `esnext.disposable` into
 * `lib`. To write `using` and `await using` yourself takes TypeScript 5.2 or newer, or a Node that knows them (24).
 *
 * @packageDocumentation
 */

// # Shapes

/** What one attempt is told about itself; each attempt gets its own. */
export interface Context {
  /** Which item, element or task, from 0. Always 0 where there is only one, as in `retry` and `withTimeout`. */
  readonly index: number;
  /** Which attempt at it, from 1; in `waitFor` which poll. Always 1 where nothing is tried again. */
  readonly attempt: number;
  /**
   * Aborted when nobody waits for this attempt any longer, and with the reason why: its own or its item's
   * {@link TimeoutError}, the error or {@link TimeoutError} that ended the whole call, the reason of the caller's own
   * signal, or an `AbortError` where a race was decided or a stream was left. Never aborted when the attempt has ended by
   * itself. Made when it is first read; an attempt that does not read it does not pay for it.
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

/** The class of an error, {@link TimeoutError} and {@link SluiceError} too, which only this package can make. */
export type ErrorClass = (abstract new (...args: never[]) => Error) | typeof TimeoutError | typeof SluiceError;

/**
 * How fast attempts may start: a token bucket. It holds `burst` tokens at most and is full at first; each start takes
 * one, or waits for one in the order of asking; `max` of them come back evenly in each `per`. So in no stretch of `t`
 * milliseconds are there more than `burst + max * t / per` starts. (The algorithm is the one that ITU-T Recommendation
 * I.371 polices ATM cells with, as its "generic cell rate algorithm".)
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

// # What a mapper may return

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
 * What a mapper returns to end the map early, and the worker or `onError` of {@link consume} to end that. Its item is left
 * out, nothing more is started and the source is closed at once; what runs, or waits before a retry, may finish, and then the call resolves with what there is.
 * Items that were taken from the source but had not started are left out too. A failure after it still rejects.
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

// # Many items

/** What most calls can be given. */
interface CommonOptions {
  /** Ends the call at once: it rejects with `signal.reason`. */
  signal?: AbortSignal | undefined;
  /**
   * What this call waits for in time does not keep the process alive.
   * @defaultValue false
   */
  unref?: boolean | undefined;
  /**
   * Stands in the messages of this call's timeouts, and as `label` on them; and is the call's name in reports of
   * {@link watchLoop}, in recordings and on {@link DiagnosticsChannels}.
   */
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
   * How fast attempts may start, retries included: a number of starts per second, > 0 (`Infinity` is no limit),
   * {@link RateOptions}, or a {@link RateLimiter}, whose tokens all share who use it. An item that waits for its start
   * holds its place under `limit`. (An attempt at an item that is a promise starts with the wait for that.)
   * @defaultValue Infinity
   */
  rate?: number | RateOptions | RateLimiter | undefined;
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
 * @param limit - an integer >= 1, `Infinity`, or a {@link Semaphore}, whose permits all share who use it. Each item takes
 *   one of them and holds it through its retries and their waits. Between items it goes back where others wait for it;
 *   calls that share a semaphore take turns. An attempt that has timed out counts no more, as with a number, though it may
 *   still run: where the permits stand for things (connections), pass `signal` on, or set `maxAbandoned: 0`.
 * @param mapper - called with the item, its index from 0 and the attempt's {@link Context}; may return a plain value.
 *   The first `limit` calls are made at once, as far as `rate` and a semaphore let them. {@link skip} as its value leaves the item out,
 *   {@link stop} ends the map early; a {@link PermanentError} that it throws is not retried.
 * @returns the values in the order of the items; with `discard: true` how many there were
 * @throws (as a rejection)
 *   - the error of the first item that failed for good: nothing more is started, and what still runs is told by its
 *     signal; with `stopOnError: false` an `AggregateError` of all of them
 *   - a {@link TimeoutError} as such an error (`scope: 'attempt'` or `'item'`), or when `totalTimeout` is over
 *     (`scope: 'total'`; at once when the wait before a retry would outlast it, then with the last error as `cause`)
 *   - a {@link SluiceError} (`ERR_SLUICE_CLOSED`) when the semaphore or the rate limiter that it shares is closed
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
  limit: number | Semaphore,
  mapper: (item: Awaited<T>, index: number, context: Context) => R | typeof skip | typeof stop,
  options: MapOptions & { discard: true },
): Promise<number>;
export function mapWithLimit<T, R>(
  items: Iterable<T> | AsyncIterable<T>,
  limit: number | Semaphore,
  mapper: (item: Awaited<T>, index: number, context: Context) => R | typeof skip | typeof stop,
  options?: MapOptions & { discard?: false | undefined },
): Promise<Kept<R>[]>;
export function mapWithLimit<T, R>(
  items: Iterable<T> | AsyncIterable<T>,
  limit: number | Semaphore,
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
 * @param limit - an integer >= 1, `Infinity`, or a {@link Semaphore}, as in {@link mapWithLimit}
 * @param mapper - as in {@link mapWithLimit}, {@link skip} and {@link stop} included
 * @returns each one's outcome, in the order of the items: `{ status: 'fulfilled', value }` or
 *   `{ status: 'rejected', reason }`; with `discard: true` how many items have settled
 * @throws (as a rejection) `signal.reason`; a {@link SluiceError} (`ERR_SLUICE_CLOSED`) when the semaphore or the rate
 *   limiter that it shares is closed; what the source's iterator threw; what a callback of the options threw. Never an
 *   item's error.
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
  limit: number | Semaphore,
  mapper: (item: Awaited<T>, index: number, context: Context) => R | typeof skip | typeof stop,
  options: MapSettledOptions & { discard: true },
): Promise<number>;
export function mapSettled<T, R>(
  items: Iterable<T> | AsyncIterable<T>,
  limit: number | Semaphore,
  mapper: (item: Awaited<T>, index: number, context: Context) => R | typeof skip | typeof stop,
  options?: MapSettledOptions & { discard?: false | undefined },
): Promise<PromiseSettledResult<Kept<R>>[]>;
export function mapSettled<T, R>(
  items: Iterable<T> | AsyncIterable<T>,
  limit: number | Semaphore,
  mapper: (item: Awaited<T>, index: number, context: Context) => R | typeof skip | typeof stop,
  options?: MapSettledOptions,
): Promise<PromiseSettledResult<Kept<R>>[] | number>;

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

// # One piece of work

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

/** Options of {@link waitFor}. */
export interface WaitForOptions extends CommonOptions {
  /**
   * The wait after a poll has come to nothing, in milliseconds; >= 0 and finite.
   * @defaultValue 100
   */
  interval?: number | undefined;
  /**
   * How that wait grows; without jitter.
   *
   * - `'constant'`: `interval`
   * - `'linear'`: `interval * k` after poll `k` (from 1)
   * - `'exponential'`: `interval * factor ** (k - 1)`
   * @defaultValue 'constant'
   */
  backoff?: 'constant' | 'linear' | 'exponential' | undefined;
  /**
   * What each exponential wait is multiplied by; >= 1.
   * @defaultValue 2
   */
  factor?: number | undefined;
  /**
   * No wait is longer than this, in milliseconds; `Infinity` is no cap.
   * @defaultValue 30000, or `interval` where that is more
   */
  maxDelay?: number | undefined;
  /**
   * For the whole call, all its polls and waits included, in milliseconds. When it is over the call rejects with a
   * {@link TimeoutError} (`scope: 'total'`), and the signal of a poll that runs is aborted with it. A wait that would
   * outlast it is not begun: the call rejects at once. The first poll is made in any case.
   * @defaultValue Infinity
   */
  timeout?: number | undefined;
}

/** What of `R` can end a {@link waitFor}: its promise's value, without what is falsy. */
export type Truthy<R> = Exclude<Awaited<R>, false | 0 | 0n | '' | null | undefined | void>;

/**
 * Asks until the answer is yes: calls `condition` again and again until it gives something truthy.
 *
 * The first poll is made at once, in the call; the next one `interval` after the one before has ended. There is never more
 * than one at a time.
 *
 * @param condition - called with a {@link Context}, whose `attempt` counts the polls; may return a promise. What it throws
 *   ends the call: a poll that may fail is one with a `retry` in it.
 * @returns the first truthy value
 * @throws (as a rejection) what `condition` throws or rejects with, at once; a {@link TimeoutError} (`scope: 'total'`);
 *   `signal.reason`
 *
 * @example
 * ```js
 * const file = await waitFor(
 *   async ({ signal }) => {
 *     const response = await fetch(url, { signal });
 *     return response.ok && response.text(); // false: not there yet
 *   },
 *   { interval: 200, backoff: 'exponential', maxDelay: 5_000, timeout: 60_000 },
 * );
 * ```
 */
export function waitFor<R>(condition: (context: Context) => R, options?: WaitForOptions): Promise<Truthy<R>>;

// # Streams

/** Options of {@link mapStream}: those of {@link mapWithLimit} without `discard`, and two of its own. */
export interface MapStreamOptions extends Omit<MapOptions, 'discard'> {
  /**
   * `true` yields the results in the order of the items; `false` each as soon as it is there.
   * @defaultValue true
   */
  ordered?: boolean | undefined;
  /**
   * How many finished results may wait for the reader before no further item is started: an integer >= 1, or `Infinity`.
   * There are never more than `limit + highWaterMark` items between the source and the reader (the permits of a semaphore
   * are its limit). Where the limit is `Infinity` there are no more than `highWaterMark`, if it is given, and no bound
   * without it.
   * @defaultValue `limit`
   */
  highWaterMark?: number | undefined;
}

/** What {@link mapStream} and {@link asCompleted} return, to be read once: by a `for await` loop, or by hand. */
export interface ResultStream<T> extends AsyncIterableIterator<T> {
  /** The next result. May be called again before the last call's promise has settled; they are answered in order. */
  next(): Promise<IteratorResult<T, undefined>>;
  /**
   * Ends the stream early, as leaving the loop does: the signals of attempts that run are aborted with an `AbortError`, and
   * the source is closed. Neither is waited for.
   */
  return(): Promise<IteratorResult<T, undefined>>;
  /** Itself. */
  [Symbol.asyncIterator](): ResultStream<T>;
  /** As `return()`, for `await using`. */
  [Symbol.asyncDispose](): Promise<void>;
}

/**
 * {@link mapWithLimit} as a stream: its results can be read while the map is still running, and the reader's pace is the
 * map's.
 *
 * Nothing starts before the first `next()`. Who reads slowly holds up the map (`highWaterMark`), and so the source: an
 * endless source and a reader that pauses need only so much memory. Leaving the loop ends everything: attempts that run
 * are told by their signals, and the source is closed.
 *
 * @param items - an array, an iterable or an async iterable
 * @param limit - an integer >= 1, `Infinity`, or a {@link Semaphore}, as in {@link mapWithLimit}
 * @param mapper - as in {@link mapWithLimit}, {@link skip} and {@link stop} included
 * @returns an async iterator of the values
 * @throws (from the loop) what {@link mapWithLimit} would reject with. When an item has failed, the results that are
 *   finished come first (with `ordered` those that stand before it without a gap), and then the error; an abort and the
 *   total timeout are thrown without waiting for the reader.
 * @throws (at once) the `TypeError` or `RangeError` of an invalid argument; a {@link SluiceError} (`ERR_SLUICE_CLOSED`)
 *   where the semaphore or the rate limiter is closed
 *
 * @example
 * ```js
 * for await (const text of mapStream(urls, 8, load, { highWaterMark: 32, retry: 2 })) {
 *   await output.write(text); // in the order of the urls; eight downloads go on meanwhile
 * }
 * ```
 */
export function mapStream<T, R>(
  items: Iterable<T> | AsyncIterable<T>,
  limit: number | Semaphore,
  mapper: (item: Awaited<T>, index: number, context: Context) => R | typeof skip | typeof stop,
  options?: MapStreamOptions,
): ResultStream<Kept<R>>;

/** Options of {@link asCompleted}. */
export interface AsCompletedOptions extends Pick<CommonOptions, 'signal' | 'label' | 'unref'>, TotalTimeoutOption {
  /**
   * `true` yields rejections too, as {@link SettledElement}s, instead of throwing the first one.
   * @defaultValue false
   */
  settle?: boolean | undefined;
}

/** What {@link asCompleted} yields: a value, and where it stood. */
export interface CompletedElement<T> {
  /** Which element, from 0. */
  readonly index: number;
  /** What it came to. */
  readonly value: T;
}

/** What {@link asCompleted} yields with `settle: true`: an outcome as of `Promise.allSettled`, and whose it is. */
export type SettledElement<T> = PromiseSettledResult<T> & { readonly index: number };

/**
 * Yields what promises come to in the order in which they settle: the first answer first.
 *
 * All of them are taken, and marked as handled, at the call: none is ever reported as unhandled, also if the loop is left
 * early. `totalTimeout` runs from the call, not from the first `next()`. Each is listened to until it settles: what never does keeps a little memory per call (`race`, `any` and `all`
 * keep none).
 *
 * @param iterable - values, promises and thenables
 * @returns an async iterator of `{ index, value }`; with `settle: true` of `{ index, status: 'fulfilled', value }` and
 *   `{ index, status: 'rejected', reason }`
 * @throws (from the loop) the first rejection, unless `settle` is `true`; `signal.reason`; a {@link TimeoutError}
 *   (`scope: 'total'`) when `totalTimeout` is over
 * @throws (at once) the `TypeError` or `RangeError` of an invalid argument; what the iterator threw
 *
 * @example
 * ```js
 * for await (const { index, value } of asCompleted(urls.map((one) => load(one)))) {
 *   console.log(`${urls[index]}: ${value.length} characters`);
 * }
 * ```
 */
export function asCompleted<T>(
  iterable: Iterable<T>,
  options: AsCompletedOptions & { settle: true },
): ResultStream<SettledElement<Awaited<T>>>;
export function asCompleted<T>(
  iterable: Iterable<T>,
  options?: AsCompletedOptions & { settle?: false | undefined },
): ResultStream<CompletedElement<Awaited<T>>>;
export function asCompleted<T>(
  iterable: Iterable<T>,
  options?: AsCompletedOptions,
): ResultStream<CompletedElement<Awaited<T>> | SettledElement<Awaited<T>>>;

/**
 * Options of {@link consume}: those of {@link mapWithLimit}, as far as they make sense where nothing is kept, and some of
 * its own. `T` is what the source has.
 */
export interface ConsumeOptions<T = unknown> extends Omit<MapOptions, 'discard' | 'stopOnError'> {
  /**
   * How many items are worked on at once: an integer >= 1, `Infinity`, or a {@link Semaphore}, as the `limit` of
   * {@link mapWithLimit}.
   * @defaultValue 1
   */
  workers?: number | Semaphore | undefined;
  /**
   * How many items of an async source may be read ahead of the workers: an integer >= 0, or `Infinity`; 0 reads each when
   * a worker is free for it.
   * @defaultValue `workers` (the permits of a semaphore), 16 where that is `Infinity`
   */
  maxQueue?: number | undefined;
  /**
   * Told of each item that has failed for good, and awaited; the item is what the worker was called with (an element that
   * is itself a rejected promise: that promise). The rest goes on after it, unless it returns {@link stop}: then nothing
   * more is taken, what runs may finish, and the call resolves with its counts. If it throws, or returns a promise that
   * rejects, the call rejects with that. Absent: the first failure rejects the call.
   */
  onError?: ((error: unknown, item: T | Awaited<T>, index: number) => unknown) | undefined;
}

/**
 * Works through a source with a fixed number of workers, and keeps nothing but the counts: for messages, rows, lines of a
 * file, jobs, whatever there is no end of.
 *
 * @param source - an iterable, an async iterable or a Node stream that can be read
 * @param worker - called as a mapper of {@link mapWithLimit}: with the item, its index from 0 and the attempt's
 *   {@link Context}. Its value is not kept; {@link stop} ends the work early.
 * @returns the counts, as `onProgress` has them
 * @throws (as a rejection)
 *   - the error of the first item that failed for good, where there is no `onError`; else what that throws
 *   - a {@link TimeoutError} as such an error (`scope: 'attempt'` or `'item'`), or when `totalTimeout` is over
 *     (`scope: 'total'`)
 *   - `signal.reason`; what the source's iterator threw, once the items read before it have been worked on; what a callback
 *     of the options threw; a {@link SluiceError} (`ERR_SLUICE_CLOSED`) where the semaphore or the rate limiter is closed
 *
 *   Items that had been read ahead then (`maxQueue`) are dropped: read a {@link Queue} whose items must not be lost with
 *   `maxQueue: 0`.
 *
 * @example
 * ```js
 * const { done, failed } = await consume(rows(), (row, _index, { signal }) => send(row, { signal }), {
 *   workers: 8,
 *   retry: 3,
 *   timeout: 5_000,
 *   onError: (error, row) => console.warn('not sent', row, error), // and on with the next
 * });
 * console.log(`${done} sent, ${failed} not`);
 * ```
 */
export function consume<T>(
  source: Iterable<T> | AsyncIterable<T>,
  worker: (item: Awaited<T>, index: number, context: Context) => unknown,
  options?: ConsumeOptions<T>,
): Promise<Progress>;

// # Coordination

/** What a method that waits can be given. */
export interface WaitOptions {
  /** Ends the wait at once: the promise rejects with `signal.reason`, and those behind move up. */
  signal?: AbortSignal | undefined;
  /**
   * For the wait, in milliseconds. When it is over the promise rejects with a {@link TimeoutError} (`scope: 'wait'`).
   * @defaultValue Infinity
   */
  timeout?: number | undefined;
}

/** Options of {@link Semaphore} and {@link Mutex}. */
export interface SemaphoreOptions {
  /**
   * How many `acquire()` and `use()` may wait: an integer >= 0, or `Infinity`. Who would be one more is turned away at once,
   * with a {@link SluiceError} (`ERR_SLUICE_FULL`). Calls like {@link mapWithLimit} that share it are not counted.
   * @defaultValue Infinity
   */
  maxWaiting?: number | undefined;
  /**
   * A name, not empty, under which all threads of the process share it: whoever makes one with this name gets a handle of
   * the same count and the same line. Absent: it is this object's alone.
   */
  shared?: string | undefined;
}

/** Options of {@link Semaphore}'s `use`. */
export interface UseOptions extends WaitOptions {
  /**
   * How many permits the work takes: an integer >= 1.
   * @defaultValue 1
   */
  weight?: number | undefined;
}

/**
 * The right to go on, as a {@link Semaphore} gives it. It is out until it is released, and is released once. (There is no
 * class of this name to be imported: only semaphores make permits.)
 *
 * @example
 * ```js
 * const permit = await semaphore.acquire();
 * try {
 *   await load(url);
 * } finally {
 *   permit.release();
 * }
 * ```
 */
export interface Permit {
  /** How many of the semaphore's permits it stands for. */
  readonly weight: number;
  /** Whether it has been given back. */
  readonly isReleased: boolean;
  /**
   * Gives it back; who waits first is let in. Allowed on a closed semaphore too.
   *
   * @throws a {@link SluiceError} (`ERR_SLUICE_RELEASED`) the second time: whoever comes too late would let in one too many
   */
  release(): void;
  /** As `release()`, for `using`; may be called any number of times, also after it. */
  [Symbol.dispose](): void;
}

/**
 * Lets so many in at once, and the others wait in line.
 *
 * It is Dijkstra's general semaphore (E. W. Dijkstra, "Cooperating sequential processes", EWD 123, 1965), with weights, and
 * strictly first come, first served: who waits with a great weight holds up all behind it, and so is not starved by many
 * light ones. A wait does not keep the process alive; only its `timeout` does, while it runs.
 *
 * With `shared` it is one for all threads of the process. Each thread makes its own with the same name and the same number
 * of permits; they are handles of one count and one line, first come, first served over all threads.
 *
 * - `available` and `waiting` are those of the process; `maxWaiting` looks at all who wait, calls apart; `resize` is
 *   for all.
 * - `close()` closes this handle: its waiters are turned away, the other handles go on.
 * - A thread that ends, in whatever way, gives back the permits that it held, and its waiters are gone.
 * - A wait keeps its thread alive, since another thread may end it: also that of a call for one permit more.
 * - A permit that a stuck thread was granted is its own: who comes behind waits until it goes on.
 * - A handle that is closed, and of which nothing is out any more, says 0 of `available` and `waiting`.
 * - The last handle that is closed or collected, or whose thread ends, frees the name.
 * - The names are those of one copy of this package: a second copy in the same process has its own.
 *
 * As the `limit` of {@link mapWithLimit}, {@link mapSettled} and {@link mapStream}, as the `workers` of {@link consume} or
 * as the `limit` of a {@link TaskGroup} it is one limit for all of them together.
 *
 * @example
 * ```js
 * const connections = new Semaphore(20, { maxWaiting: 1_000 });
 *
 * // The permit goes back however the work ends.
 * const found = await connections.use(() => db.find(id), { timeout: 500 });
 *
 * // By hand, for something heavy.
 * const permit = await connections.acquire(5, { signal });
 * try {
 *   await Promise.all(urls.slice(0, 5).map((one) => load(one)));
 * } finally {
 *   permit.release();
 * }
 *
 * // Two calls under one limit.
 * await Promise.all([mapWithLimit(ids, connections, (one) => db.find(one)), mapSettled(users, connections, notify)]);
 *
 * // One limit for the main thread and all workers: the same line in each of them.
 * const disk = new Semaphore(4, { shared: 'disk' });
 * await disk.use(() => save(body));
 * ```
 */
export class Semaphore {
  #private;
  /**
   * @param permits - how many there are: an integer >= 1, or `Infinity`
   * @throws the `TypeError` or `RangeError` of an invalid argument; a {@link SluiceError} (`ERR_SLUICE_SHARED_MISMATCH`)
   *   where the name in `shared` was first given to another number of permits (whatever `resize` has made of it since), or
   *   to another kind of limit
   */
  constructor(permits: number, options?: SemaphoreOptions);
  /** How many permits there are, those that are out included. */
  get permits(): number;
  /** How many can be had now; 0 while anybody waits. */
  get available(): number;
  /** How many wait. */
  get waiting(): number;
  /**
   * Waits in line for a permit.
   *
   * @param weight - how many permits it is to stand for: an integer >= 1, and not more than there are; 1 where it is absent
   * @returns the permit; give it back
   * @throws (as a rejection) a {@link SluiceError}: `ERR_SLUICE_FULL` where `maxWaiting` others wait already,
   *   `ERR_SLUICE_CLOSED` when the semaphore is closed, now or during the wait; a {@link TimeoutError} (`scope: 'wait'`);
   *   `signal.reason`; a `RangeError` where `weight` is more than there are, or has become so by `resize`
   */
  acquire(weight?: number, options?: WaitOptions): Promise<Permit>;
  acquire(options: WaitOptions): Promise<Permit>;
  /**
   * A permit, if there is one now and nobody waits.
   *
   * @param weight - as in `acquire`
   * @returns the permit, or `undefined`
   * @throws a {@link SluiceError} (`ERR_SLUICE_CLOSED`); a `RangeError` where `weight` is more than there are
   */
  tryAcquire(weight?: number): Permit | undefined;
  /**
   * Acquires a permit, calls `fn`, and gives the permit back when that has ended, however it did.
   *
   * @param fn - called with the permit; may return a promise. It may give the permit back before its end.
   * @returns what `fn` comes to
   * @throws (as a rejection) what `fn` throws or rejects with; what `acquire` rejects with. `timeout` and `signal` are the
   *   wait's, and have no say once `fn` has been called.
   */
  use<R>(fn: (permit: Permit) => R, options?: UseOptions): Promise<Awaited<R>>;
  /**
   * Changes how many permits there are. More of them let in who waits, at once; fewer take effect as permits come back.
   *
   * Who waits with a weight that is now more than there are is turned away, with a `RangeError`.
   *
   * @param permits - an integer >= 1, or `Infinity`
   * @throws the `TypeError` or `RangeError` of an invalid argument
   */
  resize(permits: number): void;
  /**
   * Turns away everybody who waits, and who comes from now on, with a {@link SluiceError} (`ERR_SLUICE_CLOSED`). Permits
   * that are out can still be given back. May be called any number of times. Of a shared one it closes this handle.
   */
  close(): void;
}

/**
 * A {@link Semaphore} with one permit: one at a time, in the order of asking.
 *
 * It is not re-entrant: who holds it and asks for it again waits for itself. With `shared` it is one for all threads of
 * the process, as a {@link Semaphore} is.
 *
 * @example
 * ```js
 * const mutex = new Mutex();
 * let token;
 *
 * // However many ask at once, one of them logs in.
 * function currentToken() {
 *   return mutex.runExclusive(async () => {
 *     token ??= await login(user);
 *     return token;
 *   });
 * }
 * ```
 */
export class Mutex extends Semaphore {
  /**
   * @throws the `TypeError` or `RangeError` of an invalid argument; a {@link SluiceError} (`ERR_SLUICE_SHARED_MISMATCH`)
   *   where the name in `shared` is that of another kind of limit
   */
  constructor(options?: SemaphoreOptions);
  /** Whether somebody holds it. */
  get isLocked(): boolean;
  /**
   * Calls `fn` while nobody else holds the mutex: `use`, by the name that mutexes have for it.
   *
   * @param fn - called with the permit; may return a promise
   * @returns what `fn` comes to
   * @throws (as a rejection) what `fn` throws or rejects with; what `acquire` rejects with
   */
  runExclusive<R>(fn: (permit: Permit) => R, options?: WaitOptions): Promise<Awaited<R>>;
  /**
   * A mutex stays one: there is nothing to change.
   *
   * @param permits - 1
   * @throws a `RangeError` for any other number
   */
  resize(permits: number): void;
}

/** What a {@link RateLimiter} is made of: a rate, how many may wait for it, and who shares it. */
export interface RateLimiterOptions extends RateOptions {
  /**
   * How many may wait: an integer >= 0, or `Infinity`. Who would be one more is turned away at once, with a
   * {@link SluiceError} (`ERR_SLUICE_FULL`).
   * @defaultValue Infinity
   */
  maxWaiting?: number | undefined;
  /**
   * A name, not empty, under which all threads of the process share it: whoever makes one with this name gets a handle of
   * the same bucket and the same line. Absent: it is this object's alone.
   */
  shared?: string | undefined;
}

/** What {@link RateLimiter}'s `reconfigure` changes; what is absent stays as it is. */
export interface RateChange {
  /** Tokens in each `per`; > 0 and finite. */
  max?: number | undefined;
  /** Milliseconds; > 0 and finite. */
  per?: number | undefined;
  /** Tokens that may be taken at once after a pause: an integer >= 1. */
  burst?: number | undefined;
}

/** Options of {@link RateLimiter}'s `acquire`. */
export interface AcquireTokensOptions extends WaitOptions {
  /**
   * The wait does not keep the process alive.
   * @defaultValue false
   */
  unref?: boolean | undefined;
}

/**
 * Lets so many through in a time: one token bucket, for as many callers as like to share it.
 *
 * It holds `burst` tokens at most and is full at first; `max` of them come back evenly in each `per`, on a clock that is
 * never set back. So in no stretch of `t` milliseconds are more than `burst + max * t / per` taken. Who finds too few waits
 * for them in line, strictly first come, first served. (The algorithm is the one that ITU-T Recommendation I.371 polices
 * ATM cells with, as its "generic cell rate algorithm".) A wait keeps the process alive, unless it is `unref`.
 *
 * As the `rate` of {@link mapWithLimit}, {@link mapSettled}, {@link mapStream} and {@link consume} it gives each of their
 * attempts a token.
 *
 * With `shared` it is one for all threads of the process: one bucket and one line for all who make theirs with the same
 * name and the same rate. `available`, `waiting` and `maxWaiting` are those of the process, `penalize` and `reconfigure`
 * are for all, `close()` is for this handle; the waiters of a thread that ends are gone. (More of this at
 * {@link Semaphore}.)
 *
 * @example
 * ```js
 * // A server that allows 600 requests a minute, 20 of them at once.
 * const limiter = new RateLimiter({ max: 600, per: 60_000, burst: 20 });
 *
 * async function get(path) {
 *   await limiter.acquire({ signal });
 *   const response = await fetch(path, { signal });
 *   if (response.status === 429) limiter.penalize(1_000 * Number(response.headers.get('retry-after')));
 *   return response;
 * }
 *
 * const [page, texts] = await Promise.all([get(url), mapWithLimit(urls, 8, load, { rate: limiter })]);
 *
 * // The quota of an API key, for the main thread and all workers: the same line in each of them.
 * const quota = new RateLimiter({ max: 50, per: 1_000, burst: 10, shared: 'api' });
 * ```
 */
export class RateLimiter {
  #private;
  /**
   * @param rate - a number of tokens per second, > 0 (`Infinity` is no limit), or {@link RateLimiterOptions}
   * @throws the `TypeError` or `RangeError` of an invalid argument; a {@link SluiceError} (`ERR_SLUICE_SHARED_MISMATCH`)
   *   where the name in `shared` was first given to another rate, or to another kind of limit
   */
  constructor(rate: number | RateLimiterOptions);
  /**
   * How many tokens, whole ones, can be had now; 0 while anybody waits. (What was taken in this turn of the loop counts as
   * taken just now, so this may be a little less than in the next turn.)
   */
  get available(): number;
  /** How many wait. */
  get waiting(): number;
  /**
   * Waits in line for tokens, and takes them.
   *
   * @param tokens - how many: an integer >= 1, and not more than `burst`; 1 where it is absent
   * @returns how long that took, in milliseconds; 0 where they were there
   * @throws (as a rejection) a {@link SluiceError}: `ERR_SLUICE_FULL` where `maxWaiting` others wait already,
   *   `ERR_SLUICE_CLOSED` when the limiter is closed, now or during the wait; a {@link TimeoutError} (`scope: 'wait'`);
   *   `signal.reason`; a `RangeError` where `tokens` is more than `burst`, or has become so by `reconfigure`
   */
  acquire(tokens?: number, options?: AcquireTokensOptions): Promise<number>;
  acquire(options: AcquireTokensOptions): Promise<number>;
  /**
   * Takes tokens, if there are as many now and nobody waits.
   *
   * @param tokens - as in `acquire`
   * @returns whether it has taken them
   * @throws a {@link SluiceError} (`ERR_SLUICE_CLOSED`); a `RangeError` where `tokens` is more than `burst`
   */
  tryAcquire(tokens?: number): boolean;
  /**
   * Changes the rate from now on, for who waits too. Who waits for more tokens than the new `burst` is turned away, with a
   * `RangeError`.
   *
   * @throws the `TypeError` or `RangeError` of an invalid argument
   */
  reconfigure(options: RateChange): void;
  /**
   * Gives out no token for so long, as a server asks for with `Retry-After`; then one at once, and from there on at the
   * rate.
   *
   * @param ms - milliseconds, >= 0 and finite
   * @throws the `TypeError` or `RangeError` of an invalid argument
   */
  penalize(ms: number): void;
  /**
   * Turns away everybody who waits, and who comes from now on, with a {@link SluiceError} (`ERR_SLUICE_CLOSED`). May be
   * called any number of times. Of a shared one it closes this handle.
   */
  close(): void;
}

/** Options of {@link Queue}. */
export interface QueueOptions {
  /**
   * How many items it holds before `put` waits: an integer >= 1, or `Infinity`.
   * @defaultValue Infinity
   */
  maxSize?: number | undefined;
}

/** Options of {@link Queue}'s `close`. */
export interface CloseQueueOptions {
  /**
   * Drops what is in the queue; that counts as done.
   * @defaultValue false
   */
  discard?: boolean | undefined;
}

/**
 * Hands items from those who make them to those who work on them, in order, and holds the makers up when the workers do
 * not keep pace.
 *
 * Both sides wait in line. `taskDone` and `join` are those of Python's `asyncio.Queue`: they tell when everything that was
 * put has been worked on, not only taken.
 *
 * @example
 * ```js
 * const queue = new Queue({ maxSize: 100 });
 *
 * async function work() {
 *   for await (const row of queue) {
 *     await save(row);
 *     queue.taskDone();
 *   }
 * }
 * const workers = [work(), work(), work()];
 *
 * for await (const row of rows()) await queue.put(row, { timeout: 30_000 }); // waits while 100 are in it
 * queue.close(); // the loops end when it is empty
 * await Promise.all(workers);
 * ```
 */
export class Queue<T> {
  #private;
  /** @throws the `TypeError` or `RangeError` of an invalid argument */
  constructor(options?: QueueOptions);
  /** How many items are in it. */
  get size(): number;
  /** How many it holds. */
  get maxSize(): number;
  /** Whether it has been closed. There may still be items in it. */
  get isClosed(): boolean;
  /**
   * Adds an item at the end, as soon as there is room for it.
   *
   * @throws (as a rejection) a {@link SluiceError} (`ERR_SLUICE_CLOSED`) when the queue is closed, now or during the wait;
   *   a {@link TimeoutError} (`scope: 'wait'`); `signal.reason`. The item is not in the queue then.
   */
  put(item: T, options?: WaitOptions): Promise<void>;
  /**
   * Adds an item at the end, if there is room now and nobody else waits for it.
   *
   * @returns whether it has been added
   * @throws a {@link SluiceError} (`ERR_SLUICE_CLOSED`)
   */
  tryPut(item: T): boolean;
  /**
   * Takes the first item, as soon as there is one. (An item that is a promise is awaited, as by any `async` function;
   * `tryGet()` and loops hand it out as it is.)
   *
   * @throws (as a rejection) a {@link SluiceError} (`ERR_SLUICE_CLOSED`) when the queue is closed and empty, now or during
   *   the wait; a {@link TimeoutError} (`scope: 'wait'`); `signal.reason`. No item is lost then.
   */
  get(options?: WaitOptions): Promise<T>;
  /**
   * Takes the first item, if there is one now.
   *
   * @returns the item, or `undefined` where there is none, also when the queue is closed
   */
  tryGet(): T | undefined;
  /**
   * Lets nothing more in: who waits with an item, and who comes with one from now on, is turned away with a
   * {@link SluiceError} (`ERR_SLUICE_CLOSED`). What is in the queue can still be taken; then those who wait for more are
   * turned away too, and `for await` loops end. May be called any number of times.
   */
  close(options?: CloseQueueOptions): void;
  /**
   * Says that one item that was taken has been worked on.
   *
   * @throws a {@link SluiceError} (`ERR_SLUICE_TASK_DONE`) when it has been said of every item that was taken
   */
  taskDone(): void;
  /**
   * Waits until it has been said of every item that was put that it is done.
   *
   * @throws (as a rejection) a {@link TimeoutError} (`scope: 'wait'`); `signal.reason`
   */
  join(options?: WaitOptions): Promise<void>;
  /**
   * Takes item after item until the queue is closed and empty. Any number of loops may share the items, each of which one
   * of them gets; leaving a loop does not close the queue.
   */
  [Symbol.asyncIterator](): AsyncIterableIterator<T>;
}

// # Structured concurrency

/** Options of {@link TaskGroup}. */
export interface TaskGroupOptions extends Pick<CommonOptions, 'label'> {
  /**
   * How many tasks run at once: an integer >= 1, `Infinity`, or a {@link Semaphore}, of which each takes one permit. The
   * others wait in the order in which they came (and count for the semaphore's `maxWaiting`: one too many fails the
   * group). A task that awaits another of the same group holds its place meanwhile: with a limit of 1 for ever.
   * @defaultValue Infinity
   */
  limit?: number | Semaphore | undefined;
  /** Ends the group as a failure does, with `signal.reason` as the error. */
  signal?: AbortSignal | undefined;
  /**
   * For everything in the group, in milliseconds. When it is over, the group ends as by a failure, with a
   * {@link TimeoutError} (`scope: 'total'`) as the error. May be negative (end minus now), which is as 0.
   * @defaultValue Infinity
   */
  totalTimeout?: number | undefined;
}

/** What a task of a {@link TaskGroup} is told about itself. */
export interface TaskContext extends Context {
  /** Which task of its group, from 0, in the order of `run` and `nest`. */
  readonly index: number;
  /** 1: a task is not tried again. */
  readonly attempt: 1;
  /**
   * Aborted when the group fails, and with the reason why: the first error, the {@link TimeoutError} of the group, or the
   * reason of its signal. Never aborted on a normal end.
   */
  readonly signal: AbortSignal;
  /** How long the group may still take, in milliseconds; `Infinity` where nothing bounds it. */
  readonly remaining: number;
}

/**
 * Tasks that end together: nobody leaves the block in which they were started before all of them have ended, and the first
 * that fails ends the others.
 *
 * When the body or a task fails, `group.signal` and the signals of all tasks are aborted with that error, tasks that wait
 * for the `limit` never start, those that run are waited for, and then the group rejects with the error. If others have
 * failed meanwhile, it is an `AggregateError`, its `errors` in the order of failing; a task that rejects with the very
 * reason of the abort, or with an `AbortError` whose `cause` that is, has not failed but obeyed.
 *
 * This is structured concurrency: the nurseries of Trio (N. J. Smith, "Notes on structured concurrency, or: Go statement
 * considered harmful", 2018) and Python's `asyncio.TaskGroup` (3.11, with the exception groups of PEP 654).
 *
 * @example
 * ```js
 * // Both, or neither: when one fails, the other is aborted, and both have ended before the error is seen.
 * const [found, orders] = await TaskGroup.run(
 *   async (group) => {
 *     const first = group.run(({ signal }) => getUser(id, { signal }));
 *     const second = group.run(({ signal }) => getOrders(id, { signal }));
 *     return [await first, await second];
 *   },
 *   { totalTimeout: 2_000, signal },
 * );
 *
 * // As an object, for work that comes from outside.
 * const group = new TaskGroup({ limit: 4 });
 * for (const one of urls) group.run(({ signal }) => fetch(one, { signal }));
 * await group.close();
 * ```
 */
export class TaskGroup {
  #private;
  /**
   * Calls `body` with a new group, and waits until it and all tasks have ended.
   *
   * @param body - starts tasks with `group.run`, and may await them or not
   * @returns what `body` comes to
   * @throws (as a rejection) the first failure, of the body or of a task; an `AggregateError` where there were several; a
   *   {@link TimeoutError} (`scope: 'total'`); `signal.reason`
   */
  static run<R>(body: (group: TaskGroup) => R, options?: TaskGroupOptions): Promise<Awaited<R>>;
  /**
   * A group without a body. Close it: what fails in it is told by `close`, and by nothing else.
   *
   * @throws the `TypeError` or `RangeError` of an invalid argument
   */
  constructor(options?: TaskGroupOptions);
  /** Aborted when the group fails, and with the reason why. */
  get signal(): AbortSignal;
  /** How many tasks have not ended, those that wait for the `limit` included. */
  get size(): number;
  /** The limit it was given; `Infinity` where it was given none. */
  get limit(): number | Semaphore;
  /**
   * Starts a task: at once, in the call, if the `limit` allows, else when those before it have. Tasks may start further
   * tasks.
   *
   * @param fn - called with a {@link TaskContext}; may return a promise
   * @returns what `fn` comes to. The promise is marked as handled: who does not await it hears of a failure by the group.
   * @throws (as a rejection) what `fn` throws or rejects with; the reason of the abort where the group is failing, or
   *   fails before the task has started; a {@link SluiceError} (`ERR_SLUICE_CLOSED`) where the group has ended
   */
  run<R>(fn: (context: TaskContext) => R): Promise<Awaited<R>>;
  /**
   * A group within the group: a task of this one, and aborted with it. It has no more time than what this one has left.
   *
   * @param body - as in `TaskGroup.run`
   * @returns what `body` comes to, when all tasks of the inner group have ended. The promise is marked as handled.
   * @throws (as a rejection) what `TaskGroup.run` and `run` reject with. A failure of the inner group is one of this one.
   */
  nest<R>(body: (group: TaskGroup) => R, options?: TaskGroupOptions): Promise<Awaited<R>>;
  /**
   * Waits for all tasks, and for those that they start meanwhile; with the last of them the group has ended, and takes no
   * more. Each call returns the same promise.
   *
   * @throws (as a rejection) what `TaskGroup.run` rejects with
   */
  close(): Promise<void>;
  /**
   * For `await using`: aborts the tasks, unless `close` was called, and waits for them.
   *
   * @throws (as a rejection) what `close` would have rejected with, but not what only came of that abort, and nothing
   *   where `close` was called, whose promise tells it
   */
  [Symbol.asyncDispose](): Promise<void>;
}

/** Options of {@link race}, {@link any} and {@link all}. */
export interface RaceOptions extends Pick<CommonOptions, 'signal' | 'label'>, TotalTimeoutOption {}

/** What an element of {@link race}, {@link any} and {@link all} may be: a function, or anything else. */
export type RaceElement = ((context: Context) => unknown) | {} | null | undefined;

/** What such an element comes to: the value of its promise, or of what it returns. */
export type ElementValue<E> = E extends (context: Context) => infer R ? Awaited<R> : Awaited<E>;

/**
 * What the elements of a tuple come to. (Written so that the type that a caller expects of it is not mistaken for the
 * elements': functions among them would not know their context.)
 */
export type ElementValues<T> = [{ -readonly [P in keyof T]: ElementValue<T[P]> }][T extends unknown ? 0 : never];

/**
 * `Promise.race`, that ends the losers, and that can be ended.
 *
 * An element that is a function is called at once, in order, with a {@link Context}: `index` is where it stands, and its
 * `signal` is aborted when the race is over without it, with an `AbortError` that says so, or with what ended the call.
 * A promise that is raced again and again, as one that stands for "we are shutting down", does not collect what it was
 * raced against (with `Promise.race` it does: https://github.com/nodejs/node/issues/17469). Losers that reject later are
 * never unhandled.
 *
 * @param iterable - values, promises, thenables and functions
 * @returns the value of the first to settle, if that is fulfilled
 * @throws (as a rejection) what the first to settle rejects with, or throws when it is called; a {@link TimeoutError}
 *   (`scope: 'total'`); `signal.reason`; what the iterator threw; a `RangeError` where there are no elements, no `signal` and
 *   no `totalTimeout`: it would never settle
 *
 * @example
 * ```js
 * // The nearer one answers, the other request is aborted.
 * const response = await race(
 *   [
 *     ({ signal }) => fetch('https://eu.example.com/', { signal }),
 *     ({ signal }) => fetch('https://us.example.com/', { signal }),
 *   ],
 *   { totalTimeout: 2_000 },
 * );
 * ```
 */
export function race<T extends readonly RaceElement[] | []>(
  iterable: T,
  options?: RaceOptions,
): Promise<ElementValue<T[number]>>;
export function race<T>(iterable: Iterable<T>, options?: RaceOptions): Promise<ElementValue<T>>;

/**
 * `Promise.any`, that ends the others, and that can be ended: the first success wins.
 *
 * Elements may be functions, as in {@link race}.
 *
 * @param iterable - values, promises, thenables and functions
 * @returns the value of the first to be fulfilled
 * @throws (as a rejection) an `AggregateError` when none was, its `errors` in the order of the elements (as for no
 *   elements); a {@link TimeoutError} (`scope: 'total'`); `signal.reason`; what the iterator threw
 *
 * @example
 * ```js
 * const text = await any(
 *   urls.map((one) => ({ signal }) => fetch(one, { signal }).then((response) => response.text())),
 *   { totalTimeout: 5_000 },
 * );
 * ```
 */
export function any<T extends readonly RaceElement[] | []>(
  iterable: T,
  options?: RaceOptions,
): Promise<ElementValue<T[number]>>;
export function any<T>(iterable: Iterable<T>, options?: RaceOptions): Promise<ElementValue<T>>;

/**
 * `Promise.all`, that ends the others when one fails, and that can be ended.
 *
 * Elements may be functions, as in {@link race}; their signals are aborted with the first error. It does not wait for them
 * to end: a {@link TaskGroup} does.
 *
 * @param iterable - values, promises, thenables and functions; a tuple gives a tuple
 * @returns the values, in the order of the elements
 * @throws (as a rejection) the first error; a {@link TimeoutError} (`scope: 'total'`); `signal.reason`; what the iterator
 *   threw
 *
 * @example
 * ```js
 * const [found, orders] = await all(
 *   [({ signal }) => getUser(id, { signal }), ({ signal }) => getOrders(id, { signal })],
 *   { totalTimeout: 1_000, label: 'page' },
 * );
 * ```
 */
export function all<T extends readonly RaceElement[] | []>(
  iterable: T,
  options?: RaceOptions,
): Promise<ElementValues<T>>;
export function all<T>(iterable: Iterable<T>, options?: RaceOptions): Promise<ElementValue<T>[]>;

/** Options of {@link withResource}. */
export interface ResourceOptions extends Pick<CommonOptions, 'label'> {
  /** Ends `acquire` and `use`: the call rejects with `signal.reason`, after `release`. */
  signal?: AbortSignal | undefined;
  /**
   * For `acquire` and `use` together, in milliseconds. When it is over the call rejects with a {@link TimeoutError}
   * (`scope: 'total'`), after `release`.
   * @defaultValue Infinity
   */
  timeout?: number | undefined;
}

/**
 * Acquires something, uses it, and releases it in every case: a connection, a file, a lock, a transaction.
 *
 * On abort or timeout the context's `signal` is aborted; a resource that is there is released at once, that is awaited, and
 * then the call rejects. One that arrives only later is released when it does; what goes wrong with it then reaches nobody.
 *
 * @param acquire - called at once, with a {@link Context}; may return a promise. If it fails there is nothing to release.
 * @param release - called once, with the resource and the outcome of `use`, as of `Promise.allSettled`: rejected with the
 *   reason or the {@link TimeoutError} where an abort or a timeout came first. Awaited, without a time limit.
 * @param use - called with the resource and the same {@link Context}; may return a promise
 * @returns what `use` comes to, when `release` has ended
 * @throws (as a rejection) what `acquire`, `use` or `release` throws or rejects with; a {@link TimeoutError}
 *   (`scope: 'total'`); `signal.reason`; an `AggregateError` of two, in that order, where `release` fails after one of the
 *   others
 *
 * @example
 * ```js
 * const sum = await withResource(
 *   () => db.begin(),
 *   (transaction, { status }) => (status === 'fulfilled' ? transaction.commit() : transaction.rollback()),
 *   (transaction, { signal }) => transaction.query('UPDATE accounts SET …', { signal }),
 *   { timeout: 5_000 },
 * );
 * ```
 */
export function withResource<T, R>(
  acquire: (context: Context) => T,
  release: (resource: Awaited<T>, outcome: PromiseSettledResult<unknown>) => unknown,
  use: (resource: Awaited<T>, context: Context) => R,
  options?: ResourceOptions,
): Promise<Awaited<R>>;

// # Observability

/** Options of {@link watchLoop}. */
export interface WatchOptions {
  /**
   * How long the event loop may go without a turn before that is reported, in milliseconds: >= 10, and finite.
   * @defaultValue 200
   */
  threshold?: number | undefined;
  /**
   * Takes the JavaScript stack of what keeps the loop from turning. It costs a worker thread that sleeps until it is
   * needed.
   * @defaultValue true
   */
  stack?: boolean | undefined;
  /**
   * Where the report is written while the loop is stuck, as one line of JSON: `'stderr'`, the path of a file, which is
   * made, or appended to, or `false`, nowhere. A pipe must have somebody who reads it by then. The file stays open: whoever
   * rotates it copies and truncates it, and does not rename it.
   * @defaultValue 'stderr'
   */
  log?: string | false | undefined;
  /**
   * Called when the loop turns again, with the report that was written; its `blockedFor` is the whole duration now. What it
   * throws is an uncaught exception, as from any callback of the loop.
   */
  onBlocked?: ((report: LoopReport) => unknown) | undefined;
}

/** What a {@link LoopReport} says of the mapper that was running. */
export interface BlockedJob {
  /**
   * The call's option `label`, else the name of the function that was handed in, else that of the package's function
   * (`mapWithLimit`, …), cut at 95 bytes; `null` where it is empty or not known.
   */
  readonly label: string | null;
  /** Which item, from 0. */
  readonly item: number;
  /** Which attempt at it, from 1. */
  readonly attempt: number;
}

/** What a {@link LoopReport} says of what was open. */
export interface OpenWork {
  /** Calls that have not settled. */
  readonly jobs: number;
  /** Attempts that run, or wait for a retry, a token or a permit; a `withTimeout` and a `sleep` count as one each. */
  readonly lanes: number;
  /** Those who wait for a permit or for tokens. */
  readonly waiters: number;
}

/** That the event loop is stuck, and in what: one line of JSON, and what `onBlocked` is called with. */
export interface LoopReport {
  /** Tells the line from others in the same log. */
  readonly event: 'loop-blocked';
  /** When the line was written: ISO 8601, in UTC. */
  readonly time: string;
  /** Since when the loop has not turned: ISO 8601, in UTC. */
  readonly since: string;
  /** For how long, in milliseconds: in the line so far, in `onBlocked` in all. */
  readonly blockedFor: number;
  /** The option, in milliseconds. */
  readonly threshold: number;
  /** The process. */
  readonly pid: number;
  /** The thread whose loop it is, as `threadId` of `node:worker_threads` has it: 0 is the main thread. */
  readonly thread: number;
  /**
   * What the loop is in: `'start'` (it has not turned yet since the watch began), `'timers'`, `'poll'` (I/O has arrived),
   * `'check'` (immediates, and what closes). `'timers'` is known by the stack only: without one it is `'check'` too.
   */
  readonly phase: 'start' | 'timers' | 'poll' | 'check';
  /**
   * The mapper, or function of {@link retry} or {@link withTimeout}, whose synchronous part is on the stack; `null` where
   * there is none. What runs behind an `await` in it cannot be told apart: the stack shows it.
   */
  readonly job: BlockedJob | null;
  /** What was open when the loop turned last. */
  readonly open: OpenWork;
  /** The stack of what keeps the loop from turning, a line for each frame, the innermost first; `null` where there is none. */
  readonly stack: readonly string[] | null;
  /** Why there is no stack; `null` where there is one. */
  readonly stackError: string | null;
}

/** What {@link watchLoop} returns. */
export interface LoopWatch {
  /** Ends the watch. May be called any number of times. */
  stop(): void;
  /** As `stop()`, for `using`. */
  [Symbol.dispose](): void;
}

/**
 * Watches this thread's event loop from a thread of its own, and says when it is stuck *while* it is stuck.
 *
 * When the loop has not turned for `threshold` milliseconds, one line of JSON is written to `log`: a {@link LoopReport}, with
 * the stack of the JavaScript that is running, the item that it runs for, and what else is open. When the loop turns again,
 * `onBlocked` is called. A loop that waits for events is not stuck, and neither is a process that was suspended. Nothing is
 * reported while somebody debugs, or could at once: as long as the inspector is open (`--inspect`, `inspector.open()`,
 * SIGUSR1), or another process traces this one.
 *
 * The watch does not keep the process alive. A child process is not watched by it. (The stack is taken as Sentry's detection of
 * "application not responding" takes it: a worker thread connects to the main thread's inspector, which interrupts what
 * runs there. Code that is not JavaScript cannot be interrupted like that, and the stack of another thread than the main
 * one cannot be had: `stackError` says so.)
 *
 * @returns a handle to end it with
 * @throws the `TypeError` or `RangeError` of an invalid argument; where the file cannot be opened, an error as of
 *   `node:fs`, with a `code` like `ENOENT`
 *
 * @example
 * ```js
 * const watch = watchLoop({
 *   threshold: 100,
 *   onBlocked: ({ blockedFor, job, stack }) => console.warn(`blocked for ${blockedFor} ms`, job?.label, stack?.[0]),
 * });
 *
 * process.once('SIGTERM', () => watch.stop());
 * ```
 */
export function watchLoop(options?: WatchOptions): LoopWatch;

/** Options of {@link FlightRecorder}'s `start`. */
export interface RecorderOptions {
  /**
   * How many events are kept at most; the next one overwrites the oldest. An integer >= 1, and not above 2^21. Each takes
   * 40 bytes; in a snapshot, about 150 of the heap, and its copying about a quarter of a second for 100,000 of them, in
   * which the loop does not turn.
   * @defaultValue 65536
   */
  events?: number | undefined;
}

/** Options of `toHTML`. */
export interface PageOptions {
  /** The page's title. */
  title?: string | undefined;
}

/** Ends what `dumpOnSignal` of the {@link recorder} began. */
export interface SignalDump {
  /** The signal does from now on what it did before. May be called any number of times. */
  stop(): void;
  /** As `stop()`, for `using`. */
  [Symbol.dispose](): void;
}

/** What {@link recorder} is. */
export interface FlightRecorder {
  /** Whether it records. */
  readonly isRecording: boolean;
  /**
   * Records from now on. Where it records already, what there is is dropped.
   *
   * @throws the `TypeError` or `RangeError` of an invalid argument; an `Error` where there is no memory for so many events
   */
  start(options?: RecorderOptions): void;
  /** Records no more. What was recorded can still be had. May be called any number of times. */
  stop(): void;
  /**
   * What was recorded up to now, or up to `stop()`.
   *
   * @throws a {@link SluiceError} (`ERR_SLUICE_NOT_RECORDING`) where it was never started
   */
  snapshot(): Recording;
  /**
   * As `toChromeTrace` of a snapshot.
   *
   * @throws what `snapshot` throws
   */
  toChromeTrace(): string;
  /**
   * As `toHTML` of a snapshot.
   *
   * @throws what `snapshot` throws; the `TypeError` of an invalid argument
   */
  toHTML(options?: PageOptions): string;
  /**
   * Writes what was recorded to a file whenever the process gets a signal, also while JavaScript is stuck: a native thread
   * hears of it, and writes. {@link Recording}'s `read` reads it. A listener by `process.on` for the same signal works beside
   * it; where there is none, the signal no longer ends the process. What goes wrong is said on stderr.
   *
   * @param signal - one that is free to be used, as `'SIGUSR2'` or `'SIGHUP'`; not `'SIGUSR1'`, which opens Node's inspector
   * @param file - its path; a file that is there is replaced once the new one is whole. Threads may share it: the last to
   *   write is read. A device or a pipe is written to itself; who reads it slowly is waited for, by that thread alone, and
   *   at its end no longer than half a second.
   * @returns a handle to end it with
   * @throws the `TypeError` or `RangeError` of an invalid argument; an `Error` with a `code`, as of `node:fs`, where the
   *   signal cannot be caught
   */
  dumpOnSignal(signal: `SIG${string}`, file: string): SignalDump;
}

/**
 * The flight recorder of this thread: keeps the latest of what was decided, for the moment when somebody asks why.
 *
 * Each attempt's start and end, each retry, timeout and wait goes into a ring in memory, some nanoseconds each; when it is
 * full the oldest are overwritten, and counted. While it does not record it costs nothing. What was recorded opens in
 * Perfetto or chrome://tracing (`toChromeTrace`), or in any browser as a page of its own (`toHTML`).
 *
 * @example
 * ```js
 * recorder.start({ events: 100_000 });
 * recorder.dumpOnSignal('SIGUSR2', `flight-${process.pid}.json`); // works while JavaScript is stuck
 *
 * await mapWithLimit(urls, 8, load, { timeout: 5_000, retry: 2, label: 'download' });
 *
 * await writeFile('download.html', recorder.toHTML({ title: 'the download' })); // open it in a browser
 * await writeFile('download.json', recorder.toChromeTrace()); // or this one in https://ui.perfetto.dev
 * for (const { time, kind, item } of recorder.snapshot().events) console.log(time, kind, item);
 * ```
 */
export const recorder: FlightRecorder;

/** A call, as a {@link Recording} names it. */
export interface RecordedJob {
  /** What events have as `job`. */
  readonly id: number;
  /**
   * The option `label`, else the name of the function that was handed in, else that of the package's function
   * (`mapWithLimit`, `retry`, …). Cut at 95 bytes; empty where it is not known any more: the names of the latest 32,768 calls
   * are kept.
   */
  readonly name: string;
}

/** What all {@link RecordedEvent}s have. */
export interface RecordedEventFields {
  /** When, in milliseconds since the start of the recording, with fractions. */
  readonly time: number;
  /** Whose: the `id` of a {@link RecordedJob}; -1 of a {@link withTimeout}, and of who waits for a permit or a token. */
  readonly job: number;
  /** In which lane: attempts that run at once have different ones. -1 where there is none. */
  readonly lane: number;
  /** Which item, from 0; -1 where it is none's. */
  readonly item: number;
  /** Which attempt at it, from 1; 0 where it is none's. */
  readonly attempt: number;
  /** What the kind of event says besides. */
  readonly reason?: string | undefined;
  /** What the kind of event says besides, in milliseconds. */
  readonly ms?: number | undefined;
}

/**
 * One thing that was decided. `kind` says what, and whether there is a `reason` or a number of milliseconds with it:
 *
 * - `'open'`: a call began
 * - `'start'`: an attempt was started. Of each, one of the next four follows in its lane, or the `'close'` of its call.
 * - `'settle'`: it was fulfilled
 * - `'fail'`: it was rejected, and there will be no other
 * - `'retry'`: it was rejected, and there will be another in `ms`. Behind a `'timeout'` it is told as well.
 * - `'timeout'`: a time was over; `reason` says whose, as the `scope` of a {@link TimeoutError}
 * - `'abandon'`: an attempt has timed out, but still runs
 * - `'late'`: one of these has ended: `item` and `attempt` say which; its lane may be another's by now, so it has none
 * - `'park'`, `'wake'`: a lane begins to wait, and goes on. For a permit of a semaphore (`'limit'`), a token (`'rate'`), the
 *   next attempt (`'backoff'`, in `ms`), the reader of a stream (`'room'`), the end of an abandoned attempt
 *   (`'abandoned'`), a turn of the event loop (`'yield'`)
 * - `'yield'`: a lane lets the event loop turn
 * - `'abort'`: a call was aborted
 * - `'close'`: a call ended: well (`'done'`), with an error (`'fail'`), with one and after what still ran (`'drain'`)
 * - `'block'`: up to `time` the event loop was kept from turning, for `ms`
 */
export type RecordedEvent = RecordedEventFields &
  (
    | { readonly kind: 'open' | 'start' | 'settle' | 'fail' | 'abandon' | 'late' | 'yield' | 'abort' }
    | { readonly kind: 'retry'; readonly ms: number }
    | { readonly kind: 'timeout'; readonly reason: 'attempt' | 'item' | 'total' | 'wait' }
    | {
        readonly kind: 'park' | 'wake';
        readonly reason: 'limit' | 'rate' | 'backoff' | 'room' | 'abandoned' | 'yield';
      }
    | { readonly kind: 'close'; readonly reason: 'done' | 'fail' | 'drain' }
    | { readonly kind: 'block'; readonly ms: number }
  );

/**
 * What was recorded: a plain value that can be looked at, kept as JSON, and shown.
 *
 * `toChromeTrace` writes the JSON object format of Google's "Trace Event Format".
 *
 * @example
 * ```js
 * const recording = Recording.read(await readFile('flight-4711.json')); // of dumpOnSignal, or of JSON.stringify
 * const retried = recording.events.filter((event) => event.kind === 'retry');
 * const waited = retried.reduce((sum, { ms }) => sum + ms, 0);
 * console.log(`${retried.length} retries waited ${waited} ms; ${recording.lost} events were overwritten`);
 * await writeFile('flight.html', recording.toHTML({ title: 'process 4711' }));
 * ```
 */
export class Recording {
  private constructor();
  /**
   * Reads what `dumpOnSignal` wrote, or `JSON.stringify` of a recording.
   *
   * @param source - the text, or its bytes in UTF-8
   * @throws a {@link SluiceError} (`ERR_SLUICE_RECORDING`) where that is no recording, or not all of it; the `TypeError` of
   *   an invalid argument
   */
  static read(source: string | Uint8Array): Recording;
  /** The version of its form. */
  readonly version: 1;
  /** When it began, in milliseconds since 1970 (as `Date.now()`): the time 0 of its events. */
  readonly startedAt: number;
  /** From there to when it was taken, in milliseconds. */
  readonly duration: number;
  /** How many events were overwritten before it was taken. */
  readonly lost: number;
  /** The process. */
  readonly pid: number;
  /** The thread, as `threadId` of `node:worker_threads` has it. */
  readonly thread: number;
  /** The calls that its events are of. */
  readonly jobs: readonly RecordedJob[];
  /** In the order of their time. */
  readonly events: readonly RecordedEvent[];
  /** A trace that https://ui.perfetto.dev and chrome://tracing open. */
  toChromeTrace(): string;
  /**
   * A page of its own, which loads nothing: lanes as rows, attempts as bars, their outcomes as colours, waits as gaps,
   * bands where the loop was blocked, and a summary.
   *
   * @throws the `TypeError` of an invalid argument
   */
  toHTML(options?: PageOptions): string;
  /** For `JSON.stringify`, what `read` reads. */
  toJSON(): object;
}

/** Whose a message is: the fields that all of them have. */
export interface JobMessage {
  /** Tells the calls of this thread apart; all messages of a call have the same one. (A {@link Recording} has others.) */
  readonly id: number;
  /**
   * The option `label`, else the name of the function that was handed in, else that of the package's function
   * (`mapWithLimit`, …).
   */
  readonly name: string;
  /** The option `label`; `undefined` where it was not given. */
  readonly label: string | undefined;
}

/** What is published to `'sluice:job:start'`: a call began. */
export interface JobStartMessage extends JobMessage {
  /** How many items there are; `undefined` where a source has not said so. */
  readonly items: number | undefined;
  /** How many may run at once: the limit, or the permits of the semaphore. */
  readonly limit: number;
}

/** What is published to `'sluice:job:end'`: a call has settled. */
export interface JobEndMessage extends JobMessage {
  /** How. */
  readonly outcome: 'fulfilled' | 'rejected';
  /** What it was rejected with. */
  readonly error?: unknown;
  /** From the call to its end, in milliseconds. */
  readonly durationMs: number;
  /** What has become of its items, as `onProgress` has it. */
  readonly counts: Omit<Progress, 'total'>;
}

/** What is published to `'sluice:attempt:timeout'`: a time was over. */
export interface AttemptTimeoutMessage extends JobMessage {
  /** Whose time, as in the {@link TimeoutError}. */
  readonly scope: TimeoutError['scope'];
  /** Which item, as in the error. */
  readonly index: number | undefined;
  /** Which attempt at it, as in the error. */
  readonly attempt: number | undefined;
  /** The time that was given, in milliseconds. */
  readonly timeout: number;
  /** The time that had passed, in milliseconds. */
  readonly elapsed: number;
  /** The error itself. */
  readonly error: TimeoutError;
}

/** What is published to `'sluice:attempt:retry'`: an attempt failed, and there will be another. */
export interface AttemptRetryMessage extends JobMessage {
  /** Which item, from 0. */
  readonly index: number;
  /** Which attempt failed, from 1. */
  readonly attempt: number;
  /** The wait before the next one, in milliseconds. */
  readonly delay: number;
  /** What it failed with. */
  readonly error: unknown;
}

/**
 * The channels of `node:diagnostics_channel` that this package publishes to, by name, and the messages: fresh, plain
 * objects, published in the async context of the call. Nobody pays for a channel that nobody listens to. A subscriber that
 * throws does not change the call: Node makes an uncaught exception of it.
 *
 * Told of are {@link mapWithLimit}, {@link mapSettled}, {@link mapStream}, {@link consume}, {@link asCompleted},
 * {@link retry}, {@link execute}, and {@link allSettled} with options; of {@link withTimeout} its timeout only. A call has
 * a start and an end if somebody listened to either when it began.
 *
 * @example
 * ```js
 * const { subscribe } = require('node:diagnostics_channel');
 *
 * subscribe('sluice:attempt:retry', ({ name, index, attempt, delay, error }) => {
 *   console.warn(`${name}, item ${index}: attempt ${attempt} failed, next in ${delay} ms`, error);
 * });
 * ```
 */
export interface DiagnosticsChannels {
  /** A call began. */
  'sluice:job:start': JobStartMessage;
  /** A call has settled. */
  'sluice:job:end': JobEndMessage;
  /** A time was over. */
  'sluice:attempt:timeout': AttemptTimeoutMessage;
  /** An attempt failed, and there will be another. */
  'sluice:attempt:retry': AttemptRetryMessage;
}

// # Errors

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
  /**
   * Whose time: one attempt's, one item's with all its attempts and waits, the whole call's, or that of a mere wait (for a
   * permit, for tokens, for an item of a queue or room in it).
   */
  readonly scope: 'attempt' | 'item' | 'total' | 'wait';
  /** The time that was given, in milliseconds. */
  readonly timeout: number;
  /** The time that had passed, in milliseconds, from the end of the turn in which it began to count. */
  readonly elapsed: number;
  /**
   * For how much of `elapsed` the event loop was kept busy, by turns of more than 5 ms each, in milliseconds. If it is
   * not 0, the answer may have been there and not been heard.
   */
  readonly loopBlocked: number;
  /** Which item; `undefined` in `withTimeout`, and when the time of a whole call or of a wait was over. */
  readonly index: number | undefined;
  /**
   * Which attempt at it, from 1; with `scope: 'item'` the last one that was started, 0 where none was. `undefined` when
   * the time of a whole call or of a wait was over.
   */
  readonly attempt: number | undefined;
  /** The call's option `label`. */
  readonly label: string | undefined;
  /**
   * With `scope: 'item'` the error of its last attempt that failed, where there was one. With `scope: 'total'` the last
   * error where the wait before the next attempt would have outlasted it; with `stopOnError: false` the `AggregateError`
   * of the items that had failed. With `scope: 'attempt'` and
   * `'wait'` there is none.
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

/**
 * The state of a semaphore, a rate limiter, a queue, a task group or the recorder does not allow what was asked of it.
 *
 * @example
 * ```js
 * const reports = new Semaphore(2, { maxWaiting: 10 });
 * try {
 *   await reports.use(() => send(order, { signal }));
 * } catch (error) {
 *   if (!(error instanceof SluiceError) || error.code !== 'ERR_SLUICE_FULL') throw error;
 *   console.warn('too many reports at once, try again later');
 * }
 * ```
 */
export class SluiceError extends Error {
  private constructor();
  readonly name: 'SluiceError';
  /**
   * What was wrong:
   *
   * - `'ERR_SLUICE_FULL'`: as many wait as `maxWaiting` allows
   * - `'ERR_SLUICE_CLOSED'`: it was used after it had been closed or had ended, or was waited for when it was closed
   * - `'ERR_SLUICE_RELEASED'`: a permit was released a second time
   * - `'ERR_SLUICE_TASK_DONE'`: `taskDone()` was called more often than items had been taken
   * - `'ERR_SLUICE_SHARED_MISMATCH'`: the name in `shared` stands for another number of permits, another rate, or another
   *   kind of limit; the message says both
   * - `'ERR_SLUICE_NOT_RECORDING'`: the {@link recorder} was asked for what it had recorded, and had never been started
   * - `'ERR_SLUICE_RECORDING'`: what `Recording.read` was given is no recording
   */
  readonly code:
    | 'ERR_SLUICE_FULL'
    | 'ERR_SLUICE_CLOSED'
    | 'ERR_SLUICE_RELEASED'
    | 'ERR_SLUICE_TASK_DONE'
    | 'ERR_SLUICE_SHARED_MISMATCH'
    | 'ERR_SLUICE_NOT_RECORDING'
    | 'ERR_SLUICE_RECORDING';
}

export {};
