// What a service writes, as CommonJS, with everything there is: it must type-check. (The exact types: index.test-d.ts.)

import { subscribe } from 'node:diagnostics_channel';
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

// What all of them share

const waiting: SemaphoreOptions = { maxWaiting: 1_000 };
const connections = new Semaphore(20, waiting);
const tokens: RateLimiterOptions = { ...rate, maxWaiting: Infinity };
const backend = new RateLimiter(tokens);
const login = new Mutex({ maxWaiting: undefined });
const politely: WaitOptions = { timeout: 500, signal: AbortSignal.timeout(5_000) };

export async function heavyReport(id: number): Promise<Order> {
  const heavy: UseOptions = { ...politely, weight: 5 };
  await login.runExclusive(async () => save(none), politely);
  if (login.isLocked) await backend.acquire(3, { unref: true, ...politely } satisfies AcquireTokensOptions);
  const waited: number = await backend.acquire({ timeout: 5 });
  log(`waited ${waited} ms, ${backend.available} left, ${backend.waiting} wait`);
  if (!backend.tryAcquire()) backend.penalize(100);
  return connections.use((permit) => get(`/reports/${id}?weight=${permit.weight}`, politelySignalled()), heavy);
}

function politelySignalled(): { signal: AbortSignal } {
  return { signal: AbortSignal.timeout(5_000) };
}

/** By hand, in the three ways there are. */
export async function permits(): Promise<void> {
  const permit: Permit = await connections.acquire(2, politely);
  try {
    await save(none);
  } finally {
    permit.release();
  }
  connections.tryAcquire()?.release();
  using scoped = await connections.acquire({ signal: politelySignalled().signal });
  log(`${scoped.weight} of ${connections.permits}, ${connections.available} free`, { isReleased: scoped.isReleased });
}

/** A configuration has changed. */
export function retune(size: number, change: RateChange): void {
  connections.resize(size);
  backend.reconfigure(change);
}

export function shutDown(): void {
  for (const gate of [connections, login, backend]) if (gate.waiting > 0) gate.close();
}

export async function underOneLimit({ ids, signal }: Request): Promise<number> {
  const shared: MapOptions = { rate: backend, signal };
  const found: Order[] = await mapWithLimit(ids, connections, load, { ...shared, discard: false });
  const outcomes = await mapSettled(ids, connections, load, { rate: backend, signal });
  return found.length + outcomes.length;
}

/** What each thread does: the names are the process's. */
export async function inThisThread({ ids, signal }: Request): Promise<Order[]> {
  const disk = new Semaphore(4, { maxWaiting: 100, shared: 'disk' });
  const index = new Mutex({ shared: 'index' });
  const quota = new RateLimiter({ ...rate, shared: 'quota' });
  const found: Order[] = await mapWithLimit(ids, disk, load, { rate: quota, signal });
  await index.runExclusive(() => Promise.all(found.map(save)), { signal });
  for (const handle of [disk, index, quota]) handle.close();
  return found;
}

export async function pipeline(signal: AbortSignal): Promise<void> {
  const room: QueueOptions = { maxSize: 100 };
  const queue = new Queue<Order>(room);
  const work = async () => {
    for await (const one of queue) {
      await save(one);
      queue.taskDone();
    }
  };
  const workers = [work(), work()];
  for await (const row of rows()) {
    if (!queue.tryPut(row)) await queue.put(row, { signal, timeout: 30_000 });
  }
  await queue.join({ signal });
  const ended: CloseQueueOptions = { discard: signal.aborted };
  queue.close(ended);
  await Promise.all(workers);
  log(`${queue.size} of ${queue.maxSize} left, closed: ${queue.isClosed}`);
}

export async function oneOf(queue: Queue<Order>): Promise<Order> {
  return queue.tryGet() ?? queue.get(politely);
}

// Streams

export async function exportAll(signal: AbortSignal): Promise<void> {
  const options: MapStreamOptions = { ordered: false, highWaterMark: 32, retry: policy, rate: backend, signal };
  const priced: ResultStream<Order> = mapStream(rows(), connections, (row) => (row.total > 0 ? row : skip), options);
  for await (const { id, total } of priced) {
    log(`${id}: ${total}`);
    if (total > 1_000_000) break;
  }
  await using kept = mapStream([1, 2, 3], 2, load);
  const first = await kept.next();
  if (!first.done) await save(first.value);
}

export async function asTheyCome({ ids, signal }: Request): Promise<Order[]> {
  const patience: AsCompletedOptions = { signal, totalTimeout: 5_000, label: 'orders' };
  const found: Order[] = [];
  const note = ({ index, value }: CompletedElement<Order>) => (found[index] = value);
  for await (const element of asCompleted(
    ids.map((id) => fetchOrder(id)),
    { ...patience, settle: false },
  ))
    note(element);
  for await (const element of asCompleted(
    ids.map((id) => fetchOrder(id)),
    { ...patience, settle: true },
  ))
    tell(element);
  return found;
}

function tell(element: SettledElement<Order>): void {
  log(`${element.index}`, element.status === 'fulfilled' ? element.value : element.reason);
}

export async function drainTable(signal: AbortSignal): Promise<Progress> {
  const lost: unknown[] = [];
  const options: ConsumeOptions<Order> = {
    workers: connections,
    maxQueue: 64,
    retry: policy,
    timeout: 2_000,
    itemTimeout: 10_000,
    totalTimeout: 3_600_000,
    rate: backend,
    onError: (error, { id }, index) => {
      lost.push({ error, id, index });
      return lost.length > 100 ? stop : undefined;
    },
    onProgress: report,
    drain: true,
    maxAbandoned: 8,
    yieldAfter: 5,
    signal,
    unref: false,
    label: 'table',
  };
  const byName: ConsumeOptions = { workers: 2, onError: async (error) => log('lost', error) };
  await consume(['a', 'b'], (name) => log(name), byName);
  return consume(rows(), async (row, _index, ctx) => save(await get(`/${row.id}`, ctx)), options);
}

// Structured concurrency

async function fetchOrder(id: number, { signal }: { signal: AbortSignal } = politelySignalled()): Promise<Order> {
  return get(`/orders/${id}`, { signal });
}

export async function together(ids: readonly number[], signal: AbortSignal): Promise<Order[]> {
  const bounds: TaskGroupOptions = { limit: connections, signal, totalTimeout: 5_000, label: 'together' };
  return TaskGroup.run(async (group) => {
    const named = async (ctx: TaskContext) => {
      log(`task ${ctx.index} of ${group.size}, attempt ${ctx.attempt}, ${ctx.remaining} ms left`);
      return fetchOrder(ctx.index, ctx);
    };
    group.run(named);
    const inner = group.nest((child) => Promise.all(ids.map((id) => child.run((ctx) => fetchOrder(id, ctx)))), {
      limit: 2,
    });
    group.signal.throwIfAborted();
    return typeof group.limit === 'number' ? [] : inner;
  }, bounds);
}

export async function untilClosed(ids: readonly number[]): Promise<void> {
  await using group = new TaskGroup({ limit: 4 });
  for (const id of ids) void group.run((ctx) => fetchOrder(id, ctx));
  await group.close();
}

export async function nearest(id: number, signal: AbortSignal): Promise<Order> {
  const bounds: RaceOptions = { signal, totalTimeout: 1_000, label: 'nearest' };
  const mirrors = ['eu', 'us'].map((region) => (ctx: Context) => get(`/${region}/${id}`, ctx));
  const elements: RaceElement[] = [...mirrors, fetchOrder(id), none, null];
  const anything: unknown = await race(elements, bounds);
  const pair: ElementValues<[Promise<Order>, (ctx: Context) => number]> = await all(
    [fetchOrder(id), ({ index }) => index],
    bounds,
  );
  const either: ElementValue<Promise<Order> | (() => null)> = await race([fetchOrder(id), () => null], bounds);
  log(`${pair[1]}`, either ?? anything);
  return any(mirrors, bounds);
}

export async function ready(id: number, signal: AbortSignal): Promise<Truthy<Order | null>> {
  const patience: WaitForOptions = {
    interval: 100,
    backoff: 'exponential',
    factor: 1.5,
    maxDelay: 5_000,
    timeout: 60_000,
    signal,
    unref: true,
    label: `order ${id}`,
  };
  return waitFor(async (ctx) => (ctx.attempt > 1 ? fetchOrder(id, ctx) : null), patience);
}

declare function begin(ctx: Context): Promise<{ end(how: 'commit' | 'rollback'): Promise<void> }>;

export async function inTransaction(ids: readonly number[], signal: AbortSignal): Promise<number> {
  const bounds: ResourceOptions = { timeout: 5_000, signal, label: 'transaction' };
  const end = { fulfilled: 'commit', rejected: 'rollback' } as const;
  return withResource(
    begin,
    (transaction, { status }) => transaction.end(end[status]),
    async (_transaction, ctx) => mapWithLimit(ids, 2, (id) => fetchOrder(id, ctx), { discard: true }),
    bounds,
  );
}

// What tells of it

const reports: LoopReport[] = [];
const watching: WatchOptions = {
  threshold: 100,
  stack: true,
  log: '/var/log/orders/stuck.jsonl',
  onBlocked: (report) => reports.push(report),
};

export function watched<T>(work: () => T): T {
  using _watch: LoopWatch = watchLoop(watching);
  watchLoop({ log: 'stderr' }).stop();
  watchLoop({ log: false }).stop();
  return work();
}

function doing({ label, item, attempt }: BlockedJob, { jobs, lanes, waiters }: OpenWork): string {
  return `${label ?? 'a mapper'}, item ${item}, attempt ${attempt}, with ${jobs} calls, ${lanes} lanes and ${waiters} who wait`;
}

export function blocked(report: LoopReport): string {
  const { event, time, since, blockedFor, threshold, pid, thread, phase, job, open, stack, stackError } = report;
  log(`${event} at ${time}, since ${since}: ${blockedFor} ms, over ${threshold}, in ${phase} of ${pid}:${thread}`);
  log(job === null ? 'between items' : doing(job, open));
  return stack?.join('\n') ?? `no stack: ${stackError}`;
}

export function record(file: string): SignalDump {
  const size: RecorderOptions = { events: 100_000 };
  const flight: FlightRecorder = recorder;
  if (!flight.isRecording) flight.start(size);
  return recorder.dumpOnSignal('SIGUSR2', file);
}

export function pages(dump: string | Uint8Array): string[] {
  const options: PageOptions = { title: 'orders' };
  const read = Recording.read(dump);
  recorder.stop();
  return [
    recorder.toChromeTrace(),
    recorder.toHTML(options),
    read.toChromeTrace(),
    read.toHTML(),
    JSON.stringify(read),
  ];
}

/** Which calls waited for how long before their retries. */
export function backoffs({ jobs, events, lost, startedAt, duration, pid, thread, version }: Recording): string[] {
  log(`${lost} lost in ${duration} ms since ${startedAt}, by ${pid}:${thread} (${version})`);
  const sums = new Map<number, number>();
  for (const event of events) if (event.kind === 'retry') sums.set(event.job, (sums.get(event.job) ?? 0) + event.ms);
  return jobs.map(({ id, name }: RecordedJob) => `${name}: ${sums.get(id) ?? 0} ms`);
}

export function line(event: RecordedEvent): string {
  const { time, job, lane, item, attempt }: RecordedEventFields = event;
  const where = `${time}: ${job}/${lane}/${item}/${attempt}`;
  switch (event.kind) {
    case 'retry':
    case 'block':
      return `${where} ${event.kind} ${event.ms.toFixed(1)}`;
    case 'timeout':
    case 'park':
    case 'wake':
    case 'close':
      return `${where} ${event.kind} ${event.reason.toUpperCase()}`;
    default:
      return `${where} ${event.kind} ${event.reason ?? ''}`;
  }
}

type Handler<K extends keyof DiagnosticsChannels> = (message: DiagnosticsChannels[K]) => void;

function listen<K extends keyof DiagnosticsChannels>(name: K, handler: Handler<K>): void {
  subscribe(name, (message) => handler(message as DiagnosticsChannels[K]));
}

const owner = ({ id, name, label }: JobMessage) => `${label ?? name} (${id})`;
const begun = (message: JobStartMessage) => log(`${owner(message)}: ${message.items} items, ${message.limit} at once`);
const over = (message: AttemptTimeoutMessage) => log(`${owner(message)}: ${message.error.message}`, message.scope);
const again = ({ attempt, delay, error, ...message }: AttemptRetryMessage) =>
  log(`${owner(message)}, item ${message.index}: attempt ${attempt} failed, next in ${delay} ms`, error);

function ended(message: JobEndMessage): void {
  const { started, done, failed, retried, timedOut, abandoned } = message.counts;
  log(`${owner(message)} ${message.outcome} after ${message.durationMs} ms`, { started, done, failed, retried });
  if (timedOut + abandoned > 0) log('some took too long', message.error);
}

export function traceAll(): void {
  listen('sluice:job:start', begun);
  listen('sluice:job:end', ended);
  listen('sluice:attempt:timeout', over);
  listen('sluice:attempt:retry', again);
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
  if (error instanceof SluiceError) return spelled(error);
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
    case 'wait':
      return `waited for ${elapsed} ms, and had ${timeout}`;
  }
}

function spelled({ code, message }: SluiceError): string {
  switch (code) {
    case 'ERR_SLUICE_FULL':
      return 'try again later';
    case 'ERR_SLUICE_CLOSED':
      return 'on the way down';
    case 'ERR_SLUICE_RELEASED':
    case 'ERR_SLUICE_TASK_DONE':
    case 'ERR_SLUICE_SHARED_MISMATCH':
    case 'ERR_SLUICE_NOT_RECORDING':
    case 'ERR_SLUICE_RECORDING':
      return `a mistake of ours: ${message}`;
  }
}
