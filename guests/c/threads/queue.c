/* queue [workers] [items]: workers take items from a queue that holds four, and say who did what in which order. */
#include "program.h"

enum { CAPACITY = 4, MAX_WORKERS = 16 };

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t not_empty = PTHREAD_COND_INITIALIZER;
static pthread_cond_t not_full = PTHREAD_COND_INITIALIZER;
static int items[CAPACITY];
static int first, length, is_closed;
static unsigned long sum;

static void put(int item) {
  pthread_mutex_lock(&lock);
  while (length == CAPACITY) pthread_cond_wait(&not_full, &lock);
  items[(first + length++) % CAPACITY] = item;
  pthread_cond_signal(&not_empty);
  pthread_mutex_unlock(&lock);
}

static int take(int *item) {
  pthread_mutex_lock(&lock);
  while (length == 0 && !is_closed) pthread_cond_wait(&not_empty, &lock);
  int is_there = length > 0;
  if (is_there) {
    *item = items[first];
    first = (first + 1) % CAPACITY;
    length--;
    pthread_cond_signal(&not_full);
  }
  pthread_mutex_unlock(&lock);
  return is_there;
}

static void *work(void *argument) {
  int item;
  while (take(&item)) {
    unsigned hash = item;
    for (int i = 0; i < item * 10; i++) hash = hash * 1664525 + 1013904223;
    pthread_mutex_lock(&lock);
    print_number("", (long)argument, ":");
    print_number("", item, " ");
    sum += hash;
    pthread_mutex_unlock(&lock);
  }
  return NULL;
}

int main(void) {
  static pthread_t workers[MAX_WORKERS];
  int worker_count = number_at(1, 3);
  int item_count = number_at(2, 20);
  if (worker_count > MAX_WORKERS) return 2;
  for (int i = 0; i < worker_count; i++)
    if (pthread_create(&workers[i], NULL, work, (void *)(long)(i + 1)) != 0) return 3;
  for (int i = 1; i <= item_count; i++) put(i);
  pthread_mutex_lock(&lock);
  is_closed = 1;
  pthread_cond_broadcast(&not_empty);
  pthread_mutex_unlock(&lock);
  for (int i = 0; i < worker_count; i++) pthread_join(workers[i], NULL);
  print_number("\nsum ", (long)(sum % 1000000007), "\n");
  return 0;
}
