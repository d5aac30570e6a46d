// The same names, as an ES module: by name, as the default, and as a namespace.

import sluice, {
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
import * as namespace from 'sluice';
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

// What coordinates, under each name too.
const semaphore: Semaphore = new sluice.Semaphore(2, { maxWaiting: 5 } satisfies SemaphoreOptions);
const mutex: Semaphore = new namespace.Mutex();
const limiter = new sluice.RateLimiter({ ...rate, maxWaiting: 5 } satisfies RateLimiterOptions);
limiter.reconfigure({ burst: 5 } satisfies RateChange);
const waited: number = await limiter.acquire({ unref: true } satisfies AcquireTokensOptions);
const permit: Permit = await semaphore.acquire({ timeout: waited } satisfies WaitOptions);
permit.release();
const used: number = await semaphore.use(({ weight }) => weight, { weight: 2 } satisfies UseOptions);
const queue = new namespace.Queue<number>({ maxSize: used } satisfies QueueOptions);
queue.close({ discard: true } satisfies CloseQueueOptions);
const counts: Progress = await sluice.consume(queue, String, { workers: semaphore } satisfies ConsumeOptions<number>);
const stream: ResultStream<string> = namespace.mapStream([counts.done], mutex, String, {} satisfies MapStreamOptions);
for await (const { index, value } of asCompleted(['a', stream.next().then(String)])) {
  const element: CompletedElement<string> = { index, value };
  void element;
}
const each: AsCompletedOptions & { settle: true } = { settle: true };
for await (const element of sluice.asCompleted([1], each)) void (element satisfies SettledElement<number>);
const bounds: TaskGroupOptions & RaceOptions & ResourceOptions = { label: 'all' };
const indexes: number = await TaskGroup.run((group) => group.run(({ index }: TaskContext) => index), bounds);
const elements = [() => indexes, 'a', null] as const satisfies readonly RaceElement[];
const tuple: ElementValues<typeof elements> = await all(elements, bounds);
const first: ElementValue<(typeof elements)[number]> = await race(elements, bounds);
const best: string | number | null = await sluice.any(elements);
const yes: Truthy<string | null> = await waitFor(() => tuple[1], { interval: 5 } satisfies WaitForOptions);
const length: number = await withResource(
  () => yes,
  () => {},
  (text) => text.length,
  bounds,
);
export { best, first, length };

// And what tells of it.
const shared: Semaphore = new sluice.Mutex({ shared: 'index' });
const watching: WatchOptions = { onBlocked: ({ job, open }: LoopReport) => told(job, open), log: false };
const told = (job: BlockedJob | null, open: OpenWork) => [job?.item, open.jobs];
const watch: LoopWatch = sluice.watchLoop(watching);
watch.stop();
const flight: FlightRecorder = namespace.recorder;
flight.start({ events: shared.permits } satisfies RecorderOptions);
const dump: SignalDump = sluice.recorder.dumpOnSignal('SIGUSR2', 'flight.json');
dump.stop();
const recording: Recording = namespace.Recording.read(recorder.toHTML({ title: 'flight' } satisfies PageOptions));
const job: RecordedJob | undefined = recording.jobs[0];
const event: RecordedEvent | undefined = recording.events[0];
const fields: RecordedEventFields | undefined = event;
const started = (message: DiagnosticsChannels['sluice:job:start']): JobStartMessage => message;
const ending: (message: JobEndMessage) => JobMessage = ({ id, name, label }) => ({ id, name, label });
const failing = ({ attempt }: AttemptTimeoutMessage | AttemptRetryMessage) => attempt;
const observing: [typeof watchLoop, typeof recorder] = [namespace.watchLoop, sluice.recorder];
export { ending, failing, fields, job, observing, started };

const coordinating: [typeof Mutex, typeof RateLimiter, typeof Queue] = [sluice.Mutex, namespace.RateLimiter, Queue];
const structured: [typeof TaskGroup, typeof race] = [sluice.TaskGroup, namespace.race];
const combined: [typeof any, typeof consume, typeof mapStream] = [namespace.any, consume, sluice.mapStream];
const states: (typeof SluiceError)[] = [SluiceError, sluice.SluiceError, namespace.SluiceError];
export { combined, coordinating, states, structured };

const classes: (typeof TimeoutError)[] = [sluice.TimeoutError, namespace.TimeoutError];
const others: (typeof PermanentError)[] = [sluice.PermanentError, namespace.PermanentError];
const functions: [typeof allSettled, typeof sleep] = [sluice.allSettled, namespace.default.sleep];
const maps: [typeof mapSettled, typeof execute] = [namespace.mapSettled, namespace.default.execute];
export { classes, ended, functions, maps, others, result };
// @ts-expect-error -- the default has no default
sluice.default;
