/* The twin has eyes: each kind of damage is seen. */
#include "internal.h"
#include "tests.h"
#include "world.h"

struct scene {
  struct world world;
  struct sluice_engine *engine;
  struct sluice__job *job;
  struct sluice__lane *running; /* its deadline is in the wheel */
  struct sluice__lane *parked;  /* so is its backoff */
  struct sluice__lane *guard;   /* newborn */
};

static void scene_init(struct scene *scene) {
  world_init(&scene->world);
  struct sluice_policy policy = policy_of(10, 2);
  policy.timeout = 100 * MS;
  policy.total_timeout = SECOND;
  policy.retries = 1;
  policy.item_timeout = 500 * MS;
  policy.flags = SLUICE_FLAG_PROGRESS;
  struct sluice_handle job = world_open(&scene->world, &policy);
  struct sluice_handle running = world_start(&scene->world, job, 0);
  struct sluice_handle parked = world_start(&scene->world, job, 1);
  EXPECT_EQ(world_step(&scene->world, parked, SLUICE_OUTCOME_REJECTED), SLUICE_ACTION_PARK);
  world_end_turn(&scene->world);
  struct sluice_handle guard = world_guard(&scene->world, SECOND, 0);
  scene->engine = scene->world.engine;
  scene->job = sluice__job_find(scene->engine, job);
  scene->running = sluice__lane_find(scene->engine, running);
  scene->parked = sluice__lane_find(scene->engine, parked);
  scene->guard = sluice__lane_find(scene->engine, guard);
}

/* Each does its damage to a fresh scene, which is fine without it. */
#define EXPECT_SEEN(damage) \
  do { \
    struct scene scene; \
    scene_init(&scene); \
    EXPECT(sluice_check(scene.engine)); \
    damage; \
    if (sluice_check(scene.engine)) FAIL("not seen: %s", #damage); \
    sluice_engine_free(scene.engine); \
  } while (0)

void test_check_sees_wrong_counts(void) {
  EXPECT_SEEN(scene.engine->referenced++);
  EXPECT_SEEN(scene.engine->deadlines--);
  EXPECT_SEEN(scene.job->lane_count++);
  EXPECT_SEEN(scene.job->lane_count--);
  EXPECT_SEEN(scene.job->counts.started++);
  EXPECT_SEEN(scene.job->counts.done++);
  EXPECT_SEEN(scene.job->counts.abandoned++);
  EXPECT_SEEN(scene.job->next_item++);
  EXPECT_SEEN(scene.job->policy.items = 1);
  EXPECT_SEEN(scene.job->policy.limit = 1);
  EXPECT_SEEN(scene.job->is_pulling = 1);
  EXPECT_SEEN(scene.engine->lanes.in_use++);
  EXPECT_SEEN(scene.engine->lanes.first_free = scene.running->slot.number);
}

void test_check_sees_what_is_in_the_wrong_list(void) {
  EXPECT_SEEN(sluice__list_unlink(&scene.running->deadline.link));
  EXPECT_SEEN(sluice__list_unlink(&scene.guard->deadline.link));
  EXPECT_SEEN(scene.running->deadline.list = SLUICE__LIST_READY);
  EXPECT_SEEN(scene.running->deadline.list = SLUICE__LIST_NONE);
  EXPECT_SEEN(sluice__list_unlink(&scene.running->deadline.link);
              sluice__list_append(&scene.engine->ready, &scene.running->deadline.link));
  EXPECT_SEEN(scene.guard->deadline.link.next->prev = &scene.engine->ready);
  EXPECT_SEEN(sluice__list_unlink(&scene.job->progress));
  EXPECT_SEEN(sluice__list_append(&scene.engine->granted, &scene.job->granted));
  EXPECT_SEEN(scene.job->granted_end = 5);
}

void test_check_sees_states_that_do_not_fit(void) {
  EXPECT_SEEN(scene.running->deadline.state = SLUICE__LANE_PARKED);
  EXPECT_SEEN(scene.running->deadline.state = SLUICE__LANE_PULLING);
  EXPECT_SEEN(scene.running->deadline.state = SLUICE__LANE_ALONE);
  EXPECT_SEEN(scene.parked->deadline.state = SLUICE__LANE_RUNNING);
  EXPECT_SEEN(scene.parked->deadline.kind = SLUICE__KIND_OUTLIVED); /* not in the wheel */
  EXPECT_SEEN(scene.guard->deadline.kind = SLUICE__KIND_YIELD);
  EXPECT_SEEN(scene.guard->deadline.flags = SLUICE_FLAG_UNREF);
  EXPECT_SEEN(scene.running->deadline.flags = SLUICE_FLAG_UNREF);
  EXPECT_SEEN(scene.running->attempt = 0);
  EXPECT_SEEN(scene.running->item = 9);
  EXPECT_SEEN(scene.guard->deadline.serial = scene.engine->serial);
}

void test_check_sees_lanes_that_are_not_their_jobs(void) {
  EXPECT_SEEN(scene.job->first_lane = SLUICE__NO_SLOT);
  EXPECT_SEEN(scene.job->first_lane = 100);
  EXPECT_SEEN(scene.running->job = SLUICE__NO_SLOT);
  EXPECT_SEEN(scene.guard->job = scene.job->slot.number);
  EXPECT_SEEN(scene.parked->next = scene.parked->slot.number);
  EXPECT_SEEN(scene.running->prev = SLUICE__NO_SLOT);
  EXPECT_SEEN(scene.running->slot.generation++);
  EXPECT_SEEN(scene.running->slot.number++);
}

void test_check_sees_times_that_cannot_be(void) {
  EXPECT_SEEN(scene.running->deadline.due = 1);
  EXPECT_SEEN(scene.running->deadline.due += 3600 * SECOND); /* another slot of the wheel */
  EXPECT_SEEN(scene.engine->wheel.occupied[1] = scene.engine->wheel.occupied[2] = 0);
  EXPECT_SEEN(scene.guard->deadline.due = SLUICE_NEVER);
}

void test_check_sees_items_that_are_not_their_lanes(void) {
  EXPECT_SEEN(sluice__item_at(scene.engine, scene.running->slot.number)->lane++);
  EXPECT_SEEN(sluice__item_at(scene.engine, scene.running->slot.number)->deadline.kind = SLUICE__KIND_ATTEMPT);
  EXPECT_SEEN(sluice__item_at(scene.engine, scene.running->slot.number)->deadline.list = SLUICE__LIST_NONE);
  EXPECT_SEEN(sluice__item_at(scene.engine, scene.parked->slot.number)->deadline.flags = SLUICE_FLAG_UNREF);
  EXPECT_SEEN(scene.job->has_items = 0);
  EXPECT_SEEN(scene.job->dropped++);
  EXPECT_SEEN(scene.job->is_draining = 1);
  EXPECT_SEEN(scene.parked->deadline.state = SLUICE__LANE_REVIEWING);
  EXPECT_SEEN(scene.engine->rated++);
}

/* A job of which one lane runs and two wait. */
static struct sluice__job *open_gate(struct scene *scene) {
  scene_init(scene);
  struct sluice_policy policy = policy_of(9, 3);
  policy.rate = (struct sluice_rate){.max = 1, .per = SECOND};
  struct sluice_handle job = world_open(&scene->world, &policy);
  for (int i = 0; i < 3; i++) world_pull(&scene->world, job);
  EXPECT_EQ(scene->world.decision.action, SLUICE_ACTION_PARK);
  return sluice__job_find(scene->engine, job);
}

#define EXPECT_SEEN_AT_GATE(damage) \
  do { \
    struct scene scene; \
    struct sluice__job *job = open_gate(&scene); \
    damage; \
    if (sluice_check(scene.engine)) FAIL("not seen: %s", #damage); \
    sluice_engine_free(scene.engine); \
  } while (0)

void test_check_sees_a_gate_that_forgets_who_waits(void) {
  EXPECT_SEEN_AT_GATE(sluice__disarm(scene.engine, &job->limiter->gate));
  EXPECT_SEEN_AT_GATE(sluice__list_unlink(job->waiting.next));
  EXPECT_SEEN_AT_GATE(sluice__deadline_of(job->waiting.next)->list = SLUICE__LIST_READY);
  EXPECT_SEEN_AT_GATE(sluice__deadline_of(job->waiting.next)->flags = 0);
  EXPECT_SEEN_AT_GATE(job->limiter->gate.kind = SLUICE__KIND_TOTAL);
  EXPECT_SEEN_AT_GATE(job->limiter->bucket.tokens = 2);
  EXPECT_SEEN_AT_GATE(job->has_gate = 0);
  EXPECT_SEEN_AT_GATE(sluice__list_append(&job->waiting, &scene.running->deadline.link));
}

/* A job with a lane that runs, in the line of a semaphore; two that wait for permits, one that was handed one, and one
 * that waits for tokens. */
struct line_scene {
  struct world world;
  struct sluice_engine *engine;
  struct sluice__job *job;
  struct sluice__lane *lane;
  struct sluice__semaphore *semaphore;
  struct sluice__limiter *limiter;
  struct sluice__waiter *handed;
  struct sluice__waiter *waiting; /* heavy: one permit is free */
  struct sluice__waiter *drawing; /* its deadline is in the wheel */
};

static struct sluice__waiter *find_waiter(const struct line_scene *scene, struct sluice_handle handle) {
  return (struct sluice__waiter *)sluice__slab_find(&scene->engine->waiters, handle);
}

static void line_scene_init(struct line_scene *scene) {
  struct world *world = &scene->world;
  world_init(world);
  scene->engine = world->engine;
  struct sluice_handle semaphore = world_semaphore(world, 3, 2), limiter = world_limiter(world, 1, SECOND, 1);
  struct sluice_policy policy = policy_of(9, 2);
  policy.semaphore = semaphore;
  policy.window = 2;
  struct sluice_handle job = world_open(world, &policy), lane = world_start(world, job, 0);
  scene->handed = find_waiter(scene, world_await_permits(world, semaphore, 1));
  scene->waiting = find_waiter(scene, world_await_permits(world, semaphore, 2));
  EXPECT_EQ(world_join(world, job), SLUICE_ACTION_REST); /* the job stands behind them */
  world_give(world, semaphore, 2);
  EXPECT_EQ(world_draw(world, limiter, 1, 0), SLUICE_EVENT_GRANTED);
  EXPECT_EQ(world_draw(world, limiter, 1, 5 * SECOND), SLUICE_EVENT_NONE);
  scene->drawing = find_waiter(scene, world->decision.lane);
  world_end_turn(world);
  scene->job = sluice__job_find(scene->engine, job);
  scene->lane = sluice__lane_find(scene->engine, lane);
  scene->semaphore = sluice__semaphore_find(scene->engine, semaphore);
  scene->limiter = sluice__limiter_find(scene->engine, limiter);
}

#define EXPECT_SEEN_IN_LINE(damage) \
  do { \
    struct line_scene scene; \
    line_scene_init(&scene); \
    damage; \
    if (sluice_check(scene.engine)) FAIL("not seen: %s", #damage); \
    sluice_engine_free(scene.engine); \
  } while (0)

void test_check_sees_permits_that_do_not_add_up(void) {
  EXPECT_SEEN_IN_LINE(scene.semaphore->lent++);
  EXPECT_SEEN_IN_LINE(scene.semaphore->lent--);
  EXPECT_SEEN_IN_LINE(scene.semaphore->in_use = 0);
  EXPECT_SEEN_IN_LINE(scene.semaphore->permits = 4); /* nobody waits for what is there */
  EXPECT_SEEN_IN_LINE(scene.lane->has_permit = 0);
  EXPECT_SEEN_IN_LINE(scene.job->has_spare = 1);
  EXPECT_SEEN_IN_LINE(scene.handed->claim.weight = 2);
  EXPECT_SEEN_IN_LINE(scene.handed->deadline.kind = SLUICE__KIND_SHUT);
}

void test_check_sees_lines_that_forget_who_waits(void) {
  EXPECT_SEEN_IN_LINE(scene.semaphore->waiting++);
  EXPECT_SEEN_IN_LINE(scene.semaphore->waiting_jobs--);
  EXPECT_SEEN_IN_LINE(scene.semaphore->waiters++);
  EXPECT_SEEN_IN_LINE(sluice__list_unlink(&scene.waiting->claim.link));
  EXPECT_SEEN_IN_LINE(sluice__list_unlink(&scene.job->permit_claim.link));
  EXPECT_SEEN_IN_LINE(sluice__list_append(&scene.semaphore->claims, &scene.handed->claim.link));
  EXPECT_SEEN_IN_LINE(scene.limiter->waiting--);
  EXPECT_SEEN_IN_LINE(scene.limiter->referenced++);
  EXPECT_SEEN_IN_LINE(scene.limiter->waiters--);
  EXPECT_SEEN_IN_LINE(sluice__list_unlink(&scene.drawing->claim.link));
  EXPECT_SEEN_IN_LINE(sluice__disarm(scene.engine, &scene.limiter->gate));
  EXPECT_SEEN_IN_LINE(sluice__disarm(scene.engine, &scene.handed->deadline));
  EXPECT_SEEN_IN_LINE(scene.drawing->deadline.kind = SLUICE__KIND_SLEEP);
  EXPECT_SEEN_IN_LINE(scene.engine->rated--);
  EXPECT_SEEN_IN_LINE(scene.engine->waiters.in_use--);
  EXPECT_SEEN_IN_LINE(scene.job->claimant = scene.lane->slot.number;
                      sluice__list_unlink(&scene.job->permit_claim.link));
  EXPECT_SEEN_IN_LINE(scene.job->next_item = scene.job->counts.started = scene.job->counts.done = 3);
}
