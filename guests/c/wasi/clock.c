/* Sleeps for the milliseconds of its argument, says whether both clocks moved on, and takes random bytes. */
#include <stdio.h>
#include <stdlib.h>
#include <sys/random.h>
#include <time.h>
#include <unistd.h>

static long long now(clockid_t clock) {
  struct timespec time;
  if (clock_gettime(clock, &time) != 0) return -1;
  return time.tv_sec * 1000000000ll + time.tv_nsec;
}

int main(int argc, char **argv) {
  long long wanted = (argc > 1 ? atoi(argv[1]) : 10) * 1000000ll;
  struct timespec pause = {wanted / 1000000000ll, wanted % 1000000000ll};
  long long real = now(CLOCK_REALTIME), monotonic = now(CLOCK_MONOTONIC);
  int failed = nanosleep(&pause, NULL);
  printf("slept: %s\n", failed == 0 && now(CLOCK_MONOTONIC) - monotonic >= wanted ? "long enough" : "too short");
  printf("real time: %s\n", now(CLOCK_REALTIME) > real && real > 1600000000ll * 1000000000ll ? "moves" : "stands");

  unsigned char bytes[256] = {0};
  int distinct = 0, seen[256] = {0};
  if (getentropy(bytes, sizeof bytes) != 0) return 1;
  for (int i = 0; i < 256; i++) distinct += seen[bytes[i]]++ == 0;
  printf("random: %s\n", distinct > 100 ? "varied" : "dull");
  return 0;
}
