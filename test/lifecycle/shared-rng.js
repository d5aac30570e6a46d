'use strict';

// Random numbers from a seed.

function rngOf(seed) {
  let state = seed >>> 0;
  /** From 0 to 2 ** 32 - 1 (mulberry32). */
  function next() {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return (mixed ^ (mixed >>> 14)) >>> 0;
  }
  const below = (end) => next() % end;
  return {
    below,
    chance: (probability) => next() < probability * 2 ** 32,
    pick: (list) => list[below(list.length)],
    seed: next,
  };
}

module.exports = { rngOf };
