'use strict';

// Preloaded into the example: says how much its heap holds when all garbage is gone, each time it is asked.

process.on('message', () => {
  globalThis.gc();
  process.send(process.memoryUsage().heapUsed);
});
process.channel.unref();
