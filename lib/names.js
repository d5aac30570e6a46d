'use strict';

/**
 * What a call is called where it is looked at from outside: its label, the name of the function it was `named` by, or the
 * function of the package.
 */
function nameOf({ label, named, api }) {
  if (label !== undefined) return label;
  try {
    const { name } = named; // a function's, which may be anything by now
    if (typeof name === 'string' && name !== '') return name;
  } catch {
    // a getter of somebody's; or there is no such function
  }
  return api;
}

module.exports = { nameOf };
