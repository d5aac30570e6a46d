'use strict';

// What a semaphore or a rate limiter is inside, for the other files. Each class says itself which of its objects are real:
// it alone can see.

let ofSemaphore;
let ofLimiter;

function isObject(value) {
  return typeof value === 'object' && value !== null;
}

/** Of a Semaphore: its Permits; of anything else: undefined. */
function permitsOf(value) {
  return isObject(value) ? ofSemaphore(value) : undefined;
}

/** Of a RateLimiter: its Tokens; of anything else: undefined. */
function tokensOf(value) {
  return isObject(value) ? ofLimiter(value) : undefined;
}

function setPermitsOf(access) {
  ofSemaphore = access;
}

function setTokensOf(access) {
  ofLimiter = access;
}

module.exports = { isObject, permitsOf, setPermitsOf, setTokensOf, tokensOf };
