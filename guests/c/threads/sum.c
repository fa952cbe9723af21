/* sum [threads] [rounds]: threads count together, under a mutex, atomically, and each for itself. */
#include "program.h"

enum { MAX_THREADS = 64 };

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static volatile long guarded;
static long atomic;
static int rounds;
static _Thread_local long own;

static void *count(void *argument) {
  (void)argument;
  for (int i = 0; i < rounds; i++) {
    pthread_mutex_lock(&lock);
    guarded = guarded + 1;
    pthread_mutex_unlock(&lock);
    __atomic_fetch_add(&atomic, 3, __ATOMIC_RELAXED);
    own++;
  }
  return (void *)own;
}

int main(void) {
  static pthread_t threads[MAX_THREADS];
  int thread_count = number_at(1, 4);
  rounds = number_at(2, 1000);
  if (thread_count > MAX_THREADS) return 2;
  for (int i = 0; i < thread_count; i++)
    if (pthread_create(&threads[i], NULL, count, NULL) != 0) return 3;
  long returned = 0;
  for (int i = 0; i < thread_count; i++) {
    void *result;
    pthread_join(threads[i], &result);
    returned += (long)result;
  }
  print_number("guarded ", guarded, "\n");
  print_number("atomic ", atomic, "\n");
  print_number("returned ", returned, "\n");
  print_number("own ", own, "\n");
  return 0;
}
