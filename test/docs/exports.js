'use strict';

// node test/docs/exports.js: compares the names and members that lib/index.d.ts declares with what the package has. Prints
// what is wrong, and ends with 1 then.

const required = require('../../lib/index.js');
const { members, values } = require('./api.js');

/** What is in one list only, in words. */
function difference(where, declared, found) {
  const missing = declared.filter((name) => !found.includes(name));
  const undeclared = found.filter((name) => !declared.includes(name));
  return [
    ...missing.map((name) => `${where} has no ${name}, which lib/index.d.ts declares`),
    ...undeclared.map((name) => `lib/index.d.ts does not declare ${name}, which ${where} has`),
  ];
}

/** The names that a class has, with those of the class above it; a static one is called by its class. */
function namesOf(constructor) {
  if (constructor === Function.prototype) return [];
  const members = Reflect.ownKeys(constructor.prototype).filter(isPublic);
  const statics = Reflect.ownKeys(constructor).filter((key) => !['length', 'name', 'prototype'].includes(key));
  const own = [...members.map(keyText), ...statics.map((key) => `${constructor.name}.${keyText(key)}`)];
  return [...new Set([...own, ...namesOf(Object.getPrototypeOf(constructor))])];
}

/** The symbols that the language has by name: Node 20 calls its `Symbol.dispose` otherwise. */
const wellKnown = new Map(
  Object.getOwnPropertyNames(Symbol)
    .filter((name) => typeof Symbol[name] === 'symbol')
    .map((name) => [Symbol[name], `[Symbol.${name}]`]),
);

/** The package's own symbols are for itself. */
function isPublic(key) {
  if (typeof key === 'symbol') return wellKnown.has(key) && key !== Symbol.toStringTag;
  return key !== 'constructor';
}

const keyText = (key) => wellKnown.get(key) ?? key;

/** What a recording holds is its own; its class makes one of whatever it is given. */
const own = { Recording: () => Object.keys(new required.Recording({})) };

/** What an error has, each one has of its own. */
const isError = (name) => required[name].prototype instanceof Error;

async function main() {
  const imported = await import('../../lib/index.mjs');
  const problems = [
    ...difference('lib/index.js', values, Object.keys(required)),
    ...difference('lib/index.mjs', ['default', ...values], Object.keys(imported)),
    ...Object.entries(members)
      .filter(([name]) => name in required && !isError(name))
      .flatMap(([name, declared]) =>
        difference(name, declared, [...namesOf(required[name]), ...(own[name]?.() ?? [])]),
      ),
  ];
  for (const problem of problems) console.log(problem);
  if (problems.length > 0) process.exitCode = 1;
}

main();
