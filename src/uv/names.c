/* Two tables, each a ring of the latest beside a hash of where they stand: texts, each once however many jobs have it,
 * and jobs, each with the number of its text. Numbers count on for ever: one that is too far back has been overwritten,
 * and so an entry of the hash, or of the jobs, is never wrong, only old. */
#include "names.h"

#include <stdlib.h>
#include <string.h>
#include <uv.h>

#define TEXT_BITS 12
#define TEXTS (1u << TEXT_BITS)
#define JOB_BITS 15
#define JOBS (1u << JOB_BITS)

struct text {
  uint64_t former; /* the one before it with this hash; 0: none */
  uint32_t length;
  char bytes[SLUICE_NAME_SIZE];
};

struct job {
  uint64_t former;
  uint64_t text;
  struct sluice_handle handle;
};

struct tables {
  uint64_t text_heads[TEXTS]; /* the latest with this hash; 0: none */
  uint64_t job_heads[JOBS];
  struct text texts[TEXTS]; /* number n, from 1, stands at n modulo their count */
  struct job jobs[JOBS];
};

struct sluice_names {
  uv_mutex_t mutex;
  struct tables *tables; /* NULL: nothing has been set */
  uint64_t text_count;
  uint64_t job_count;
};

struct sluice_names *sluice_names_new(void) {
  struct sluice_names *names = calloc(1, sizeof *names);
  if (names == NULL) return NULL;
  if (uv_mutex_init(&names->mutex) == 0) return names;
  free(names);
  return NULL;
}

void sluice_names_free(struct sluice_names *names) {
  if (names == NULL) return;
  uv_mutex_destroy(&names->mutex);
  free(names->tables);
  free(names);
}

/* The most bytes of it, up to `size` - 1, that end with a character. */
static size_t cut(const char *utf8, size_t length, size_t size) {
  if (length < size) return length;
  size_t end = size - 1;
  while (end > 0 && ((unsigned char)utf8[end] & 0xc0) == 0x80) end--;
  return end;
}

static uint32_t mix(uint64_t value, int bits) {
  return (uint32_t)((value * 0x9e3779b97f4a7c15u) >> (64 - bits));
}

static uint32_t hash_of_text(const char *bytes, size_t length) {
  uint64_t hash = 0xcbf29ce484222325u; /* FNV-1a */
  for (size_t i = 0; i < length; i++) hash = (hash ^ (unsigned char)bytes[i]) * 0x100000001b3u;
  return mix(hash, TEXT_BITS);
}

static uint32_t hash_of_job(struct sluice_handle handle) {
  return mix((uint64_t)handle.generation << 32 | handle.slot, JOB_BITS);
}

static int is_kept(uint64_t number, uint64_t count, uint32_t room) {
  return number != 0 && number + room > count;
}

/* The number of this text, which is added where it is not there. */
static uint64_t intern(struct sluice_names *names, const char *bytes, size_t length) {
  struct tables *tables = names->tables;
  uint64_t *head = &tables->text_heads[hash_of_text(bytes, length)];
  for (uint64_t number = *head; is_kept(number, names->text_count, TEXTS);) {
    const struct text *text = &tables->texts[number % TEXTS];
    if (text->length == length && memcmp(text->bytes, bytes, length) == 0) return number;
    number = text->former;
  }
  uint64_t number = ++names->text_count;
  struct text *text = &tables->texts[number % TEXTS];
  text->former = *head;
  text->length = (uint32_t)length;
  memcpy(text->bytes, bytes, length);
  *head = number;
  return number;
}

void sluice_names_set(struct sluice_names *names, struct sluice_handle job, const char *utf8, size_t length) {
  uv_mutex_lock(&names->mutex);
  if (names->tables == NULL) names->tables = calloc(1, sizeof *names->tables);
  if (names->tables != NULL) {
    uint64_t text = intern(names, utf8, cut(utf8, length, SLUICE_NAME_SIZE));
    uint64_t *head = &names->tables->job_heads[hash_of_job(job)];
    uint64_t number = ++names->job_count;
    names->tables->jobs[number % JOBS] = (struct job){*head, text, job};
    *head = number;
  }
  uv_mutex_unlock(&names->mutex);
}

/* NULL: it has none, or one that is too old. */
static const struct text *find(const struct sluice_names *names, struct sluice_handle handle) {
  const struct tables *tables = names->tables;
  if (tables == NULL) return NULL;
  for (uint64_t number = tables->job_heads[hash_of_job(handle)]; is_kept(number, names->job_count, JOBS);) {
    const struct job *job = &tables->jobs[number % JOBS];
    if (job->handle.slot == handle.slot && job->handle.generation == handle.generation)
      return is_kept(job->text, names->text_count, TEXTS) ? &tables->texts[job->text % TEXTS] : NULL;
    number = job->former;
  }
  return NULL;
}

int sluice_names_get(struct sluice_names *names, struct sluice_handle job, char *buffer, size_t size) {
  size_t length = 0;
  uv_mutex_lock(&names->mutex);
  const struct text *text = find(names, job);
  if (text != NULL) {
    length = cut(text->bytes, text->length, size);
    memcpy(buffer, text->bytes, length);
  }
  uv_mutex_unlock(&names->mutex);
  buffer[length] = '\0';
  return (int)length;
}
