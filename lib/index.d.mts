import sluice from './index.js';

export * from './index.js';
export default sluice;
