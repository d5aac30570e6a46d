import sluice from './index.js';

export const {
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
} = sluice;
export default sluice;
