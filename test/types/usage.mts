// The same names, as an ES module: by name, as the default, and as a namespace.

import sluice, {
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
import * as namespace from 'sluice';
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

const rate: RateOptions = { max: 5 };
const options: MapOptions = { retry: 2 satisfies number | RetryPolicy, rate };
const lengths: number[] = await mapWithLimit(['a'], 1, (text, _index, _context: Context) => text.length, {
  timeout: 5,
});
const counted: number = await sluice.mapWithLimit(lengths, 1, String, { ...options, discard: true });
const settling: SettledOptions = { onProgress: (_progress: Progress) => {} };
const [settled] = await namespace.allSettled([Promise.resolve(counted)], settling);
const status: 'fulfilled' | 'rejected' = settled.status;
const none: string | null = await withTimeout(
  retry(() => status),
  { timeout: 5, fallback: null } as TimeoutOptions<null>,
);
await sluice.sleep(none === null ? 0 : 1, {} satisfies SleepOptions);

// The symbols are the same ones under each name.
const few: Kept<number>[] = await namespace.mapWithLimit(lengths, 1, (length) => {
  if (length > 7) return sluice.stop;
  return length > 5 ? namespace.skip : length > 3 ? skip : length;
});
const outcomes: PromiseSettledResult<number>[] = await mapSettled(few, 1, (length) => (length > 1 ? stop : length), {
  drain: true,
} satisfies MapSettledOptions);
const again: RetryOptions = {
  retryOn: [TimeoutError, PermanentError] satisfies ErrorClass[],
  onRetry: (_error, { delay }: RetryContext) => sluice.sleep(delay),
};
const result: ExecuteResult<number> = await execute(() => outcomes.length, again);
const ended: ExecuteSuccess<number> | ExecuteFailure = await sluice.execute(async () => 1);

const classes: (typeof TimeoutError)[] = [sluice.TimeoutError, namespace.TimeoutError];
const others: (typeof PermanentError)[] = [sluice.PermanentError, namespace.PermanentError];
const functions: [typeof allSettled, typeof sleep] = [sluice.allSettled, namespace.default.sleep];
const maps: [typeof mapSettled, typeof execute] = [namespace.mapSettled, namespace.default.execute];
export { classes, ended, functions, maps, others, result };
// @ts-expect-error -- the default has no default
sluice.default;
