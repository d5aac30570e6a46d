import sluice from './index.js';

export const { TimeoutError, allSettled, mapWithLimit, retry, sleep, withTimeout } = sluice;
export default sluice;
