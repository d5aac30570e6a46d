'use strict';
// When the events of the model come, and in which orders they can.

const MOST = 10_000;
const DEAD_END = Symbol('dead end');
const PHASES = [['arrival'], ['abort'], ['backoff', 'gate'], ['deadline']];

/**
 * Virtual time. An instant has four phases: (1) what arrives (mapper timers, element promises), one by one; (2) the abort;
 * (3) backoffs and tokens that are due, in one turn; (4) deadlines still open: what has arrived wins. The first that has
 * something to do does it, with all the microtasks this causes; and so on, until none has. Then time moves on.
 */
class Schedule {
  now = 0;
  queues = { arrival: [], abort: [], backoff: [], gate: [], deadline: [] }; // by due time, then in the order of arming
  turn = []; // synchronous events, in this order
  ready = []; // microtasks, in any order; what a mapper returned or threw at once may also come in between the turn's
  turnEnd = []; // what comes after these

  arm(queue, ms, event) {
    const due = this.now + ms;
    if (due < Infinity) this.queues[queue] = [...this.queues[queue], { ...event, due }].sort((a, b) => a.due - b.due);
  }

  /**
   * The turn of these events, and everything that comes of it in this instant.
   * @param call { handle(event), pulls(): pulls that may come next, rest(): what follows from nothing being left to do,
   *   isAsync: whether a pull is a microtask, choose(steps): the one that comes }
   */
  burst(events, call) {
    for (this.turn = [...events]; ;) {
      const steps = this.steps(call);
      if (steps.length > 0) {
        const step = steps.length > 1 ? call.choose(steps) : steps[0];
        if (step === this.turn[0]) this.turn.shift();
        this.ready = this.ready.filter((event) => event !== step);
        call.handle(step);
      } else {
        this.turn = this.turnEnd.length > 0 ? this.turnEnd.splice(0, 1) : call.rest();
        if (this.turn.length === 0) return;
      }
    }
  }

  steps({ pulls, isAsync }) {
    const sync = [...this.turn.slice(0, 1), ...(isAsync ? [] : pulls())];
    if (sync.length > 0) return [...sync, ...this.ready.filter((event) => event.isSync)];
    return isAsync ? [...this.ready, ...pulls()] : this.ready;
  }

  /** Does what is due next, if anything ever is. */
  advance(call) {
    this.now = Math.min(...Object.values(this.queues).flatMap((queue) => queue.map(({ due }) => due)));
    const isDue = ({ due }) => due === this.now;
    const phase = PHASES.find((names) => names.some((name) => this.queues[name].some(isDue)));
    if (phase === undefined) return false;
    const due = phase
      .flatMap((name) => this.queues[name].filter(isDue))
      .slice(0, phase[0] === 'arrival' ? 1 : Infinity);
    for (const name of phase) this.queues[name] = this.queues[name].filter((event) => !due.includes(event));
    this.burst(due, call);
    return true;
  }

  /** What the future depends on. */
  toJSON() {
    const { now, queues, turn, ready, turnEnd } = this;
    return { now, queues, turn, turnEnd, ready: ready.map((event) => JSON.stringify(event)).sort() };
  }
}

/**
 * What `run(choose)` can come to, order by order. `choose(steps, state(), result)` is told of everything that tells one
 * order from another, so what two of them have in common from some state on is tried once.
 * @param isPossible whether to go on with what the result is so far
 */
function* everyResult(run, isPossible = () => true) {
  const seen = new Set();
  const paths = [[]]; // the choices that lead to what has not been tried
  for (let tried = 0; paths.length > 0; tried++) {
    if (tried === MOST) throw new Error(`more than ${MOST} orders`);
    const path = paths.shift(); // what differs in one choice from what was tried comes before what differs in many
    let depth = 0;
    const choose = (steps, state, result) => {
      if (depth === path.length) {
        const key = state();
        if (seen.has(key) || !isPossible(result)) throw DEAD_END;
        seen.add(key);
        for (let other = steps.length - 1; other > 0; other--) paths.push([...path, other]);
        path.push(0);
      }
      return steps[path[depth++]];
    };
    try {
      yield run(choose);
    } catch (error) {
      if (error !== DEAD_END) throw error;
    }
  }
}

module.exports = { Schedule, everyResult };
