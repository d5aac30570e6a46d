'use strict';

// V8 throws optimized code away when the last object of a shape it depends on is collected: then each full collection
// between two calls would cost the next one its speed (measured: 2.5 times as long). One of each stays.

const { Job } = require('./job');
const { Lane } = require('./lane');
const { Call } = require('./options');
const { promiseFor } = require('./promises');
const { Queue } = require('./queue');
const { Semaphore } = require('./semaphore');
const { mapStream } = require('./stream');

const source = { items: [0], isAsync: false, total: 1, open: undefined, prepare: undefined };
const kept = [];
const call = new Call((_item, _index, context) => kept.push(context), 1);
call.yieldAfter = Infinity; // it is over before this file is, however long the turn has run
const job = new Job(call, source);
promiseFor(job);
job.begin(source);
kept.push(call, job, new Lane(job, 0, 0));

const semaphore = new Semaphore(1);
const permit = semaphore.tryAcquire();
const queue = new Queue();
queue.tryPut(0);
kept.push(
  semaphore,
  permit,
  queue,
  mapStream([], 1, () => {}),
);

module.exports = kept;
