// The same names, as an ES module: by name, as the default, and as a namespace.

import sluice, { TimeoutError, allSettled, mapWithLimit, retry, sleep, withTimeout } from 'sluice';
import * as namespace from 'sluice';
import type { Context, MapOptions, Progress, RetryPolicy, TimeoutOptions } from 'sluice';

const options: MapOptions = { retry: 2 satisfies number | RetryPolicy };
const lengths: number[] = await mapWithLimit(['a'], 1, (text, _index, _context: Context) => text.length, {
  timeout: 5,
});
const counted: number = await sluice.mapWithLimit(lengths, 1, String, { ...options, discard: true });
const [settled] = await namespace.allSettled([Promise.resolve(counted)], { onProgress: (_progress: Progress) => {} });
const status: 'fulfilled' | 'rejected' = settled.status;
const none: string | null = await withTimeout(
  retry(() => status),
  { timeout: 5, fallback: null } as TimeoutOptions<null>,
);
await sluice.sleep(none === null ? 0 : 1);

const classes: [typeof TimeoutError, typeof TimeoutError] = [sluice.TimeoutError, namespace.TimeoutError];
const functions: [typeof allSettled, typeof sleep] = [sluice.allSettled, namespace.default.sleep];
export { classes, functions };
// @ts-expect-error -- the default has no default
sluice.default;
