'use strict';

// What one writes by hand: the rivals that no package is needed for.

async function bare(items, mapper) {
  const results = [];
  for (let i = 0; i < items.length; i++) results.push(await mapper(items[i], i));
  return results;
}

async function lanes(items, limit, mapper) {
  const results = new Array(items.length);
  let next = 0;
  async function lane() {
    while (next < items.length) {
      const index = next++;
      results[index] = await mapper(items[index], index);
    }
  }
  await Promise.all(Array.from({ length: Math.min(limit, items.length) }, lane));
  return results;
}

async function race(promise, ms) {
  let timer;
  try {
    const expiry = new Promise((_, reject) => {
      timer = setTimeout(() => reject(new Error('timed out')), ms);
    });
    return await Promise.race([promise, expiry]);
  } finally {
    clearTimeout(timer);
  }
}

const counted = new Map();
/** [0, 1, ..., n - 1], the same array each time. */
function upTo(n) {
  if (!counted.has(n)) {
    const items = Array.from({ length: n }, (_, i) => i);
    counted.set(n, items);
  }
  return counted.get(n);
}

module.exports = { bare, lanes, race, upTo };
