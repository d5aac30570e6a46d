'use strict';

// Runs one case, and at its end writes what happened. Arguments: the table, the case.

const { writeSync } = require('node:fs');
const tables = require('./liveness-cases');

const [table, name] = process.argv.slice(2);
const began = process.hrtime.bigint();
const log = [];
let beforeExit = 0;
process.on('beforeExit', () => beforeExit++);
process.on('exit', () => {
  const lived = Number(process.hrtime.bigint() - began) / 1e6;
  writeSync(1, `${JSON.stringify({ log, beforeExit, lived })}\n`);
});
tables[table][name].run((word) => log.push(word));
