#include "list.h"

#include "test.h"
#include "tests.h"

struct node {
  struct sluice__link link;
  int name;
};

static int name_of(struct sluice__link *link) {
  return SLUICE__CONTAINER(link, struct node, link)->name;
}

static void fill(struct sluice__link *head, struct node *nodes, int count, int first_name) {
  sluice__list_init(head);
  for (int i = 0; i < count; i++) {
    nodes[i].name = first_name + i;
    sluice__list_append(head, &nodes[i].link);
  }
}

static void expect_names(struct sluice__link *head, const char *names) {
  struct sluice__link *link = head->next;
  for (; *names != '\0'; names++, link = link->next) {
    EXPECT(link != head);
    EXPECT_EQ(name_of(link), *names - '0');
    EXPECT(link->prev->next == link && link->next->prev == link);
  }
  EXPECT(link == head);
}

void test_list_keeps_the_order_of_appending(void) {
  struct sluice__link head;
  struct node nodes[3];
  fill(&head, nodes, 3, 1);
  expect_names(&head, "123");
}

void test_list_unlinking_twice_is_harmless(void) {
  struct sluice__link head;
  struct node nodes[3];
  fill(&head, nodes, 3, 1);
  sluice__list_unlink(&nodes[1].link);
  sluice__list_unlink(&nodes[1].link);
  EXPECT(sluice__list_empty(&nodes[1].link));
  expect_names(&head, "13");
}

void test_list_splice_appends_all_and_empties_the_other(void) {
  struct sluice__link head, other;
  struct node nodes[2], others[2];
  fill(&head, nodes, 2, 1);
  fill(&other, others, 2, 3);
  sluice__list_splice(&head, &other);
  expect_names(&head, "1234");
  expect_names(&other, "");
  sluice__list_splice(&head, &other);
  expect_names(&head, "1234");
  sluice__list_splice(&other, &head);
  expect_names(&other, "1234");
  expect_names(&head, "");
}
