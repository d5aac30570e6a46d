'use strict';

// Where a job's items come from: an array that is read by number, or an iterator, sync or async.

const { isProxy } = require('node:util').types;

const { invalidType } = require('./errors');
const { markHandled, mayBeThenable } = require('./promises');

const { values } = Array.prototype;
const arrayIterator = Object.getPrototypeOf([][Symbol.iterator]());
const { next } = arrayIterator;

/** Reading by number is then what its iterator would do. (A proxy's traps may throw at each step.) */
function isPristine(items) {
  return Array.isArray(items) && !isProxy(items) && items[Symbol.iterator] === values && arrayIterator.next === next;
}

/**
 * @returns { items, isAsync, total, open, prepare }: `items` is an array, or null and open() takes the iterator; nothing
 *   has been taken yet. prepare(), where there is one, sees to promises among the items: call it once the arguments are
 *   known to be good.
 */
function sourceOf(name, items) {
  const prepare = Array.isArray(items) ? () => markElementsHandled(items) : undefined;
  if (isPristine(items)) return { items, isAsync: false, total: items.length, open: undefined, prepare };
  const method = iteratorMethod(items, Symbol.asyncIterator);
  if (method !== undefined)
    return { items: null, isAsync: true, total: undefined, open: () => take(method, items), prepare };
  const syncMethod = iteratorMethod(items, Symbol.iterator);
  if (syncMethod === undefined) throw invalidType(name, 'an array, an iterable or an async iterable', items);
  return { items: null, isAsync: false, total: undefined, open: () => take(syncMethod, items), prepare };
}

function iteratorMethod(items, symbol) {
  if (items === null || items === undefined) return undefined;
  const method = items[symbol];
  return typeof method === 'function' ? method : undefined;
}

function take(method, items) {
  const iterator = Reflect.apply(method, items, []);
  if (!mayBeThenable(iterator)) throw invalidType('items', 'an iterable whose iterator is an object', iterator);
  return iterator;
}

/** What next() has answered: a result is an object. */
function asResult(answer) {
  if (!mayBeThenable(answer)) throw new TypeError(`Iterator result ${String(answer)} is not an object`);
  return answer;
}

/** Promises in an array may be rejected long before their turn comes, or where there is to be no turn. */
function markElementsHandled(items) {
  if (isProxy(items) || !Array.isArray(items)) return;
  for (let i = 0; i < items.length; i++) {
    let item;
    try {
      item = items[i];
    } catch {
      continue; // a getter; it throws again when the element's turn comes, if it comes
    }
    if (typeof item === 'object' && item !== null) markHandled(item);
  }
}

/** An early end: not awaited, and what comes of it is nobody's business, since the call has a better reason to end. */
function closeIterator(iterator) {
  try {
    markHandled(iterator.return?.());
  } catch {
    // as above
  }
}

module.exports = { asResult, closeIterator, markElementsHandled, sourceOf };
