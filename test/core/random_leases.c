/* Random programs of several engines on the same leased limits. What is granted, to whom and in which order, the
 * lender's model knows (lender.c). Here is what can be seen from outside: nobody has a permit that the common does not
 * know of, and none is left with nobody; and in the end, when all give back what they have, everybody is served. */
#include <string.h>

#include "lender.h"
#include "rng.h"
#include "tests.h"

enum { ENGINES = 3, SEMAPHORES = 2, LIMITS = 4, MOST_LANES = 64, MOST_JOBS = 3, MOST_WAITERS = 6, PROGRAM = 600 };

enum doing { GONE, RUNS, PULLS, PARKED };

struct lane {
  enum doing doing;
  struct sluice_handle handle;
  int job;
  uint32_t attempt;
};

struct job {
  int is_open;
  struct sluice_handle handle;
  int semaphore; /* -1: none */
  uint64_t items_left;
};

struct waiter {
  int is_open;
  struct sluice_handle handle;
  int limit;
  uint64_t weight;
};

struct machine {
  struct world world;
  struct lane lanes[MOST_LANES]; /* by slot */
  struct job jobs[MOST_JOBS];
  struct waiter waiters[MOST_WAITERS];
  struct sluice_handle handles[LIMITS]; /* semaphores, then limiters */
  uint64_t mine[SEMAPHORES];
};

struct program {
  struct sluice__rng rng;
  uint64_t now;
  struct lender lenders[LIMITS];
  struct machine machines[ENGINES];
  int is_ending; /* nothing new begins, and nothing fails */
};

static uint64_t up_to(struct program *program, uint64_t bound) {
  return sluice__rng_up_to(&program->rng, bound);
}

static int one_in(struct program *program, uint64_t count) {
  return up_to(program, count - 1) == 0;
}

static struct machine *any_machine(struct program *program) {
  return &program->machines[up_to(program, ENGINES - 1)];
}

static int number_of(const struct program *program, const struct machine *machine) {
  return (int)(machine - program->machines);
}

static void begin_machine(struct program *program, struct machine *machine) {
  memset(machine, 0, sizeof *machine);
  world_init(&machine->world);
  machine->world.now = program->now;
  world_end_turn(&machine->world);
  for (int i = 0; i < LIMITS; i++)
    machine->handles[i] = lender_lease(&program->lenders[i], number_of(program, machine), &machine->world);
}

static int job_of(const struct machine *machine, struct sluice_handle handle) {
  for (int i = 0; i < MOST_JOBS; i++) {
    if (machine->jobs[i].is_open && same_handle(machine->jobs[i].handle, handle)) return i;
  }
  FAIL("a decision about a job that is not open");
}

static void forget_job(struct machine *machine, int job) {
  machine->jobs[job].is_open = 0;
  for (int i = 0; i < MOST_LANES; i++) {
    if (machine->lanes[i].job == job) machine->lanes[i].doing = GONE;
  }
}

/* What the decision says about this lane of this job. */
static void follow(struct machine *machine, int job, struct sluice_handle handle) {
  const struct sluice_decision *decision = &machine->world.decision;
  EXPECT(handle.slot < MOST_LANES);
  struct lane *lane = &machine->lanes[handle.slot];
  lane->handle = handle;
  lane->job = job;
  switch (decision->action) {
    case SLUICE_ACTION_START:
      EXPECT(lane->doing != RUNS || lane->attempt != decision->attempt || decision->attempt == 1);
      lane->doing = RUNS;
      lane->attempt = decision->attempt;
      break;
    case SLUICE_ACTION_PULL:
      lane->doing = PULLS;
      lane->attempt = 0;
      break;
    case SLUICE_ACTION_PARK:
      lane->doing = PARKED;
      lane->attempt = decision->attempt;
      break;
    case SLUICE_ACTION_REST:
      lane->doing = GONE;
      break;
    case SLUICE_ACTION_DRAIN:
      lane->doing = GONE;
      for (int i = 0; i < MOST_LANES; i++) {
        if (machine->lanes[i].job == job && machine->lanes[i].doing != RUNS) machine->lanes[i].doing = GONE;
      }
      break;
    default: /* DONE, FAIL */
      EXPECT(decision->action == SLUICE_ACTION_DONE || decision->action == SLUICE_ACTION_FAIL);
      forget_job(machine, job);
  }
}

static void join(struct machine *machine, int job) {
  while (machine->jobs[job].is_open && world_join(&machine->world, machine->jobs[job].handle) != SLUICE_ACTION_REST)
    follow(machine, job, machine->world.decision.lane);
}

static void follow_waiter(struct machine *machine) {
  const struct sluice_decision *decision = &machine->world.decision;
  for (int i = 0; i < MOST_WAITERS; i++) {
    struct waiter *waiter = &machine->waiters[i];
    if (!waiter->is_open || !same_handle(waiter->handle, decision->lane)) continue;
    waiter->is_open = 0;
    if (decision->event == SLUICE_EVENT_GRANTED && waiter->limit < SEMAPHORES)
      machine->mine[waiter->limit] += waiter->weight;
    return;
  }
  FAIL("a decision about a waiter that is not open");
}

/* A decision of hand() or next(). */
static int follow_event(struct machine *machine, enum sluice_event event) {
  struct sluice_decision decision = machine->world.decision;
  switch (event) {
    case SLUICE_EVENT_NONE:
      return 0;
    case SLUICE_EVENT_GRANTED:
    case SLUICE_EVENT_OVERTIME:
    case SLUICE_EVENT_REFUSED:
    case SLUICE_EVENT_SHUT:
      follow_waiter(machine);
      return 1;
    case SLUICE_EVENT_ROOM:
      join(machine, job_of(machine, decision.job));
      return 1;
    default: {
      int job = job_of(machine, decision.job);
      follow(machine, job, decision.lane);
      if (event == SLUICE_EVENT_RESUMED) join(machine, job);
      return 1;
    }
  }
}

static void settle(struct program *program, struct machine *machine, struct lane *lane) {
  enum sluice_outcome outcome = SLUICE_OUTCOME_FULFILLED;
  struct job *job = &machine->jobs[lane->job];
  if (lane->doing != RUNS && lane->doing != PULLS) return;
  if (lane->doing == PULLS) {
    outcome = job->items_left > 0 && !program->is_ending ? SLUICE_OUTCOME_PULLED : SLUICE_OUTCOME_EXHAUSTED;
    if (outcome == SLUICE_OUTCOME_PULLED) job->items_left--;
  } else if (!program->is_ending && one_in(program, 4)) {
    static const enum sluice_outcome others[] = {SLUICE_OUTCOME_REJECTED, SLUICE_OUTCOME_REJECTED,
                                                 SLUICE_OUTCOME_REFUSED, SLUICE_OUTCOME_STOPPED};
    outcome = others[up_to(program, 3)];
    if (outcome == SLUICE_OUTCOME_STOPPED) { /* lanes that have started nothing are gone */
      for (int i = 0; i < MOST_LANES; i++) {
        struct lane *other = &machine->lanes[i];
        if (other->job == lane->job && (other->doing == PULLS || (other->doing == PARKED && other->attempt <= 1)))
          other->doing = GONE;
      }
    }
  }
  int number = lane->job;
  world_observe(&machine->world, program->now);
  world_step(&machine->world, lane->handle, outcome);
  follow(machine, number, lane->handle);
  if (outcome == SLUICE_OUTCOME_PULLED) join(machine, number);
}

static void open(struct program *program, struct machine *machine, int number) {
  struct job *job = &machine->jobs[number];
  struct sluice_policy policy = policy_of(up_to(program, 20), 1 + (uint32_t)up_to(program, 4));
  policy.source = (enum sluice_source)up_to(program, SLUICE_SOURCE_ASYNC);
  if (policy.source == SLUICE_SOURCE_ASYNC && one_in(program, 2)) policy.items = SLUICE_UNKNOWN;
  job->semaphore = (int)up_to(program, SEMAPHORES) - 1;
  if (job->semaphore >= 0) policy.semaphore = machine->handles[job->semaphore];
  uint64_t limiter = up_to(program, 5);
  if (limiter < LIMITS - SEMAPHORES) policy.limiter = machine->handles[SEMAPHORES + limiter];
  policy.retries = (uint32_t)up_to(program, 2);
  policy.backoff.delay = one_in(program, 2) ? 0 : 5 * MS;
  policy.timeout = one_in(program, 2) ? SLUICE_NEVER : up_to(program, 30 * MS);
  policy.item_timeout = one_in(program, 3) ? up_to(program, 60 * MS) : SLUICE_NEVER;
  policy.yield_after = one_in(program, 3) ? 0 : SLUICE_NEVER;
  policy.max_abandoned = one_in(program, 3) ? (uint32_t)up_to(program, 1) : SLUICE_UNLIMITED;
  if (one_in(program, 3)) policy.window = 1 + up_to(program, 3);
  policy.flags = one_in(program, 3) ? 0 : SLUICE_FLAG_COLLECT;
  if (one_in(program, 2)) policy.flags |= SLUICE_FLAG_DRAIN;
  if (one_in(program, 4)) policy.flags |= SLUICE_FLAG_UNREF;
  job->items_left = policy.items == SLUICE_UNKNOWN ? up_to(program, 20) : policy.items;
  world_observe(&machine->world, program->now);
  job->handle = world_open(&machine->world, &policy);
  job->is_open = machine->world.decision.action == 0;
  join(machine, number);
}

static void try_job(struct program *program, struct machine *machine, int number) {
  struct job *job = &machine->jobs[number];
  if (!job->is_open) {
    open(program, machine, number);
    return;
  }
  uint64_t choice = up_to(program, 9);
  if (choice == 0) {
    enum sluice_action action = world_abort(&machine->world, job->handle);
    for (int i = 0; i < MOST_LANES && action == SLUICE_ACTION_DRAIN; i++) {
      if (machine->lanes[i].job == number && machine->lanes[i].doing != RUNS) machine->lanes[i].doing = GONE;
    }
    if (action == SLUICE_ACTION_FAIL) forget_job(machine, number);
  } else if (choice < 5) {
    world_read(&machine->world, job->handle, up_to(program, 3));
  } else {
    int error = sluice_late(machine->world.engine, job->handle);
    EXPECT(error == SLUICE_OK || error == SLUICE_ESTATE);
    world_check(&machine->world);
  }
}

static void ask(struct program *program, struct machine *machine, int limit) {
  int place = (int)up_to(program, MOST_WAITERS - 1);
  struct waiter *waiter = &machine->waiters[place];
  struct world *world = &machine->world;
  uint64_t weight = 1 + up_to(program, 2), max_waiting = one_in(program, 4) ? up_to(program, 3) : UINT64_MAX;
  uint64_t timeout = one_in(program, 2) ? SLUICE_NEVER : up_to(program, 50 * MS);
  if (waiter->is_open) {
    world_withdraw(world, waiter->handle);
    waiter->is_open = 0;
    return;
  }
  if (limit < SEMAPHORES && one_in(program, 4)) {
    int taken = sluice_take(world->engine, machine->handles[limit]);
    world_check(world);
    machine->mine[limit] += (uint64_t)taken;
    return;
  }
  int error =
      limit < SEMAPHORES
          ? sluice_acquire(world->engine, machine->handles[limit], weight, timeout, max_waiting, 0, &world->decision)
          : sluice_draw(world->engine, machine->handles[limit], weight, timeout, max_waiting, 0, &world->decision);
  world_check(world);
  if (error != SLUICE_OK) {
    EXPECT(error == SLUICE_EINVAL || error == SLUICE_ECROWDED);
    return;
  }
  if (world->decision.event == SLUICE_EVENT_GRANTED) {
    if (limit < SEMAPHORES) machine->mine[limit] += weight;
    return;
  }
  *waiter = (struct waiter){.is_open = 1, .handle = world->decision.lane, .limit = limit, .weight = weight};
}

static void change(struct program *program, struct machine *machine, int limit) {
  struct world *world = &machine->world;
  if (limit < SEMAPHORES) {
    if (one_in(program, 3)) EXPECT_EQ(sluice_semaphore_shut(world->engine, machine->handles[limit]), SLUICE_OK);
    else world_resize(world, machine->handles[limit], 1 + up_to(program, 4));
  } else if (one_in(program, 3)) {
    EXPECT_EQ(sluice_limiter_shut(world->engine, machine->handles[limit]), SLUICE_OK);
  } else if (one_in(program, 2)) {
    world_penalize(world, machine->handles[limit], up_to(program, 30 * MS));
  } else {
    world_reconfigure(world, machine->handles[limit], up_to(program, 3), 1 + up_to(program, 20 * MS),
                      1 + up_to(program, 4));
  }
  world_check(world);
}

static void pass(struct program *program) {
  uint64_t duration = one_in(program, 2) ? up_to(program, 20 * MS) : 0;
  uint64_t next = SLUICE_NEVER;
  for (int i = 0; i < LIMITS; i++) {
    uint64_t timer = lender_next_timer(&program->lenders[i]);
    if (timer < next) next = timer;
  }
  if (duration == 0 && next > program->now && next < SLUICE_NEVER) duration = next - program->now;
  for (int i = 0; i < ENGINES; i++) world_end_turn(&program->machines[i].world);
  program->now += duration;
  for (int i = 0; i < LIMITS; i++) lender_tick(&program->lenders[i]);
  for (int i = 0; i < ENGINES; i++) {
    struct machine *machine = &program->machines[i];
    machine->world.now = program->now;
    world_expire(&machine->world, 0);
    world_judge(&machine->world);
    world_begin_turn(&machine->world);
    while (follow_event(machine, world_next(&machine->world))) continue;
  }
}

/* Everything that was decided has been told, and whoever may go on does. */
static void quiesce(struct program *program) {
  for (int is_moving = 1; is_moving;) {
    is_moving = 0;
    for (int i = 0; i < LIMITS; i++) lender_deliver_all(&program->lenders[i]);
    for (int i = 0; i < ENGINES; i++) {
      struct machine *machine = &program->machines[i];
      while (follow_event(machine, world_hand(&machine->world))) is_moving = 1;
    }
  }
}

static void expect_all_accounted_for(struct program *program) {
  quiesce(program);
  for (int i = 0; i < ENGINES * SEMAPHORES; i++) {
    struct machine *machine = &program->machines[i % ENGINES];
    int semaphore = i / ENGINES;
    uint64_t least = machine->mine[semaphore], most;
    EXPECT_EQ(world_semaphore_level(&machine->world, machine->handles[semaphore]).held, least);
    most = least;
    for (int k = 0; k < MOST_LANES; k++) {
      const struct lane *lane = &machine->lanes[k];
      if (lane->doing == GONE || machine->jobs[lane->job].semaphore != semaphore) continue;
      int is_certain = lane->doing == RUNS || (lane->doing == PARKED && lane->attempt > 1);
      least += (uint64_t)is_certain;
      most += (uint64_t)(is_certain || (lane->doing == PARKED && lane->attempt == 1));
    }
    uint64_t held = program->lenders[semaphore].seats[i % ENGINES].held;
    EXPECT(least <= held);
    EXPECT(held <= most);
  }
}

static void end_machine(struct program *program, struct machine *machine) {
  for (int i = 0; i < LIMITS; i++) lender_vanish(&program->lenders[i], number_of(program, machine));
  world_fini(&machine->world);
}

/* All give back what they have and finish what they do: nobody is left behind. */
static void end(struct program *program) {
  program->is_ending = 1;
  int is_busy = 1;
  for (int round = 0; is_busy; round++) {
    EXPECT(round < 1000);
    is_busy = 0;
    for (int i = 0; i < ENGINES; i++) {
      struct machine *machine = &program->machines[i];
      for (int k = 0; k < SEMAPHORES; k++) {
        if (machine->mine[k] > 0) world_give(&machine->world, machine->handles[k], machine->mine[k]);
        machine->mine[k] = 0;
      }
      for (int k = 0; k < MOST_LANES; k++) settle(program, machine, &machine->lanes[k]);
      for (int k = 0; k < MOST_JOBS; k++) {
        if (!machine->jobs[k].is_open) continue;
        is_busy = 1;
        world_read(&machine->world, machine->jobs[k].handle, 9);
        while (sluice_late(machine->world.engine, machine->jobs[k].handle) == SLUICE_OK) continue;
      }
      for (int k = 0; k < MOST_WAITERS; k++) is_busy |= machine->waiters[k].is_open;
    }
    quiesce(program);
    pass(program);
  }
  for (int i = 0; i < SEMAPHORES; i++) EXPECT_EQ(program->lenders[i].in_use, 0);
  for (int i = 0; i < LIMITS; i++) EXPECT_EQ(program->lenders[i].common.waiting, 0);
  for (int i = 0; i < ENGINES; i++) {
    EXPECT(!sluice_is_referenced(program->machines[i].world.engine));
    end_machine(program, &program->machines[i]);
  }
}

static void play(uint64_t seed) {
  static struct program program;
  memset(&program, 0, sizeof program);
  sluice__rng_init(&program.rng, seed);
  program.now = SECOND;
  for (int i = 0; i < SEMAPHORES; i++) lender_permits(&program.lenders[i], &program.now, 1 + up_to(&program, 3));
  for (int i = SEMAPHORES; i < LIMITS; i++)
    lender_tokens(&program.lenders[i], &program.now, 1 + up_to(&program, 3), 1 + up_to(&program, 20 * MS),
                  1 + up_to(&program, 3));
  for (int i = 0; i < ENGINES; i++) begin_machine(&program, &program.machines[i]);
  for (int step = 0; step < PROGRAM; step++) {
    struct machine *machine = any_machine(&program);
    int limit = (int)up_to(&program, LIMITS - 1);
    switch (up_to(&program, 15)) {
      case 0:
      case 1:
        pass(&program);
        break;
      case 2:
      case 3:
        lender_deliver(&program.lenders[limit], number_of(&program, machine), 1 + (int)up_to(&program, 3));
        break;
      case 4:
        follow_event(machine, world_hand(&machine->world));
        break;
      case 5:
      case 6:
        ask(&program, machine, limit);
        break;
      case 7:
        limit %= SEMAPHORES;
        uint64_t weight = up_to(&program, machine->mine[limit]);
        if (weight > 0) world_give(&machine->world, machine->handles[limit], weight);
        machine->mine[limit] -= weight;
        break;
      case 8:
        if (one_in(&program, 3)) change(&program, machine, limit);
        break;
      case 9:
      case 10:
        try_job(&program, machine, (int)up_to(&program, MOST_JOBS - 1));
        break;
      case 11:
        if (!one_in(&program, 20)) break;
        end_machine(&program, machine); /* a thread ends, and another begins */
        begin_machine(&program, machine);
        break;
      default:
        settle(&program, machine, &machine->lanes[up_to(&program, MOST_LANES / 4 - 1)]);
    }
    if (step % 16 == 0) expect_all_accounted_for(&program);
  }
  end(&program);
}

void test_random_leases_are_conserved_and_everybody_is_served(void) {
  for (uint64_t round = 0; round < 25 * test_rounds; round++) play(test_seed + round * 0x9e3779b97f4a7c15u);
}
