'use strict';

const NOT_ABORTED = Symbol('not aborted');

/** Ends an attempt's `ctx.signal` with this reason, whether anybody has asked for it yet or not. */
let abort;

/** What a mapper is told about its attempt. The signal, which costs a microsecond, is made on first use. */
class Context {
  #controller = null;
  #reason = NOT_ABORTED;

  constructor(index, attempt) {
    this.index = index;
    this.attempt = attempt;
  }

  get signal() {
    if (this.#controller === null) {
      this.#controller = new AbortController();
      if (this.#reason !== NOT_ABORTED) this.#controller.abort(this.#reason);
    }
    return this.#controller.signal;
  }

  static {
    abort = (context, reason) => {
      if (context.#reason !== NOT_ABORTED) return;
      context.#reason = reason;
      if (context.#controller !== null) context.#controller.abort(reason);
    };
  }
}

module.exports = { Context, abort };
