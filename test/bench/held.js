'use strict';

// Memory that open things hold.

/** Bytes in C, sluice's own; 0 where it is not built. */
function inC() {
  try {
    return require('../../lib/engine').usage().memory;
  } catch {
    return 0;
  }
}

/**
 * A sample from `work(n, look)`, which calls `look` twice: when all is there to keep n things in but none is open, and
 * when all are open. Returns the bytes that each holds, in JavaScript's heap and in C, and the resident bytes.
 */
function heldBy(work) {
  return async (n) => {
    const seen = [];
    await work(n, () => {
      globalThis.gc?.();
      const { heapUsed, external, rss } = process.memoryUsage();
      seen.push([heapUsed + external + inC(), rss]);
    });
    const [before, open] = seen;
    return open.map((bytes, i) => (bytes - before[i]) / n);
  };
}

module.exports = { heldBy };
