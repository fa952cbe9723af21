/* end WAY: the ways in which a program of threads ends, and what may be refused or take its time on the way. */
#include "program.h"

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t never = PTHREAD_COND_INITIALIZER;

static void *exits(void *argument) {
  (void)argument;
  wasi_proc_exit(7);
}

static void *traps(void *argument) {
  (void)argument;
  __builtin_trap();
}

static void *spins(void *argument) {
  for (;;) (*(volatile int *)argument)++;
}

static void *waits(void *argument) {
  (void)argument;
  pthread_mutex_lock(&lock);
  pthread_cond_wait(&never, &lock);
  return NULL;
}

static void *returns(void *argument) { return argument; }

static void *yields(void *argument) {
  for (int i = 0; i < 3; i++) {
    print(argument);
    sched_yield();
  }
  return NULL;
}

static void *sleeps(void *argument) {
  int nothing = 0;
  futex_wait(&nothing, 0, (int64_t)(long)argument * 1000000);
  print_number("slept ", (long)argument, "\n");
  return NULL;
}

int main(void) {
  pthread_t thread, other;
  int counter = 0;
  if (is_argument(1, "exit") || is_argument(1, "trap")) {
    pthread_create(&thread, NULL, is_argument(1, "exit") ? exits : traps, NULL);
    pthread_join(thread, NULL);
    return 1;
  }
  if (is_argument(1, "return")) {
    pthread_create(&thread, NULL, spins, &counter);
    while (*(volatile int *)&counter < 1000) sched_yield();
    print("main returns\n");
    return 0;
  }
  if (is_argument(1, "deadlock")) {
    pthread_create(&thread, NULL, waits, NULL);
    pthread_join(thread, NULL);
    return 1;
  }
  if (is_argument(1, "sleep")) {
    pthread_create(&thread, NULL, sleeps, (void *)30l);
    pthread_create(&other, NULL, sleeps, (void *)10l);
    pthread_join(thread, NULL);
    pthread_join(other, NULL);
    pthread_mutex_lock(&lock);
    return pthread_cond_wait_ns(&never, &lock, 1000000) == ETIMEDOUT ? 0 : 1;
  }
  if (is_argument(1, "yield")) {
    pthread_create(&thread, NULL, yields, "a");
    pthread_create(&other, NULL, yields, "b");
    pthread_join(thread, NULL);
    pthread_join(other, NULL);
    print("\n");
    return 0;
  }
  if (is_argument(1, "many")) {
    int made = 0;
    while (pthread_create(&thread, NULL, waits, NULL) == 0) made++;
    print_number("", made, " threads\n");
    return 0;
  }
  if (is_argument(1, "one-by-one")) {
    for (int i = 0; i < 200; i++) {
      if (pthread_create(&thread, NULL, returns, NULL) != 0) return 1;
      pthread_join(thread, NULL);
    }
    return 0;
  }
  return 2;
}
