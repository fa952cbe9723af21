/* Ends by a trap inside three named functions: which one, its argument says. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef int (*Function)(int);

#pragma clang diagnostic ignored "-Winfinite-recursion"
static volatile int depth;

__attribute__((noinline)) static int deeper(int by) {
  depth++;
  int below = deeper(by + 1);
  return below + depth;
}

__attribute__((noinline)) static int innermost(const char *kind, volatile int zero) {
  if (strcmp(kind, "divide") == 0) return kind[0] / zero;
  if (strcmp(kind, "memory") == 0) return *(volatile int *)0xfffffff0u;
  if (strcmp(kind, "null") == 0) return ((Function)(void *)(long)zero)(1);
  if (strcmp(kind, "stack") == 0) return deeper(zero);
  if (strcmp(kind, "abort") == 0) abort();
  __builtin_trap();
}

__attribute__((noinline)) static int middle(const char *kind) { return innermost(kind, 0) + 1; }

__attribute__((noinline)) static int outer(const char *kind) { return middle(kind) * 2; }

int main(int argc, char **argv) {
  puts("before the trap");
  fflush(stdout);
  return outer(argc > 1 ? argv[1] : "unreachable");
}
