'use strict';

/**
 * A function that fails, after so long, with a new error each time, of these classes in turn: writes down when it was
 * called.
 */
function failing(clock, { after = 0, classes = [Error] } = {}) {
  const began = clock.now;
  const calls = [];
  const fn = async (ctx) => {
    const error = new classes[calls.length % classes.length](`attempt ${ctx.attempt}`);
    calls.push({ at: clock.now - began, error, ctx });
    if (after > 0) await clock.sleep(after);
    throw error;
  };
  return {
    fn,
    calls,
    get times() {
      return calls.map(({ at }) => at);
    },
    get errors() {
      return calls.map(({ error }) => error);
    },
  };
}

module.exports = { failing };
