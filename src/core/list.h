/* Circular doubly linked list. A node that is in no list points at itself, so that unlinking twice is harmless. */
#ifndef SLUICE_LIST_H
#define SLUICE_LIST_H

#include <stddef.h>

struct sluice__link {
  struct sluice__link *next;
  struct sluice__link *prev;
};

#define SLUICE__CONTAINER(link, type, member) ((type *)(void *)((char *)(link)-offsetof(type, member)))

static inline void sluice__list_init(struct sluice__link *head) {
  head->next = head;
  head->prev = head;
}

static inline int sluice__list_empty(const struct sluice__link *head) {
  return head->next == head;
}

static inline void sluice__list_append(struct sluice__link *head, struct sluice__link *link) {
  link->next = head;
  link->prev = head->prev;
  head->prev->next = link;
  head->prev = link;
}

static inline void sluice__list_unlink(struct sluice__link *link) {
  link->prev->next = link->next;
  link->next->prev = link->prev;
  link->next = link;
  link->prev = link;
}

/* Moves all of `from` behind what `to` holds, in order; `from` is empty afterwards. */
static inline void sluice__list_splice(struct sluice__link *to, struct sluice__link *from) {
  if (sluice__list_empty(from)) return;
  from->next->prev = to->prev;
  to->prev->next = from->next;
  from->prev->next = to;
  to->prev = from->prev;
  sluice__list_init(from);
}

#endif
