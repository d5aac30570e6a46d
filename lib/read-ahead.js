'use strict';

const { listen, markHandled, promiseFor, resolved, toNative } = require('./promises');
const { Ring } = require('./ring');
const { asResult, closeIterator } = require('./source');

// An async iterator that asks another for up to `most` items before it is asked itself. One next() of the other is in flight
// at a time, and whoever asks here does so one at a time, too.
class ReadAhead {
  constructor(iterator, most) {
    this.iterator = iterator;
    this.most = most;
    this.answers = new Ring(); // results, or the promise that next() rejects with
    this.asking = null; // who waits for the one in flight: { resolve, reject }
    this.isReading = false;
    this.isOver = false; // nothing more is asked for
    this.onAnswer = (result) => this.answered(result);
    this.onFailure = (error) => this.failed(error);
  }

  next() {
    if (this.answers.size > 0) {
      const answer = this.answers.shift();
      this.read();
      return answer;
    }
    if (this.isOver) return resolved({ value: undefined, done: true });
    const asking = { resolve: null, reject: null };
    const promise = promiseFor(asking);
    this.asking = asking;
    this.read();
    return promise;
  }

  read() {
    if (this.isReading || this.isOver) return;
    if (this.asking === null && this.answers.size >= this.most) return;
    this.isReading = true;
    try {
      listen(toNative(this.iterator.next()), this.onAnswer, this.onFailure);
    } catch (error) {
      this.failed(error);
    }
  }

  answered(result) {
    this.isReading = false;
    let isDone;
    try {
      isDone = Boolean(asResult(result).done);
      if (!isDone) markHandled(result.value); // its turn may come late, or never
    } catch (error) {
      this.failed(error);
      return;
    }
    if (this.isOver) return; // it was closed meanwhile
    if (isDone) this.isOver = true;
    this.answer(resolved(result));
    this.read();
  }

  failed(error) {
    this.isReading = false;
    if (this.isOver) return;
    this.isOver = true;
    const rejected = Promise.reject(error);
    markHandled(rejected);
    this.answer(rejected);
  }

  answer(promise) {
    const { asking } = this;
    this.asking = null;
    if (asking === null) this.answers.push(promise);
    else asking.resolve(promise);
  }

  return() {
    if (this.isOver) return undefined;
    this.isOver = true;
    this.answers.clear();
    closeIterator(this.iterator);
    return undefined;
  }
}

function readAhead(iterator, most) {
  return new ReadAhead(iterator, most);
}

module.exports = { readAhead };
