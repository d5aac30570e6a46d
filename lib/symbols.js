'use strict';

// What a mapper may return instead of a value. Registered nowhere: another copy's symbols are plain values here.

/** This item is left out of the results. */
const skip = Symbol('sluice.skip');
/** So is this one, and no further item starts. */
const stop = Symbol('sluice.stop');

module.exports = { skip, stop };
