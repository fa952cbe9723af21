/* Prints its arguments, its environment, and where a variable named in an argument (`-v NAME`) stands. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

extern char **environ;

int main(int argc, char **argv) {
  for (int i = 0; i < argc; i++) printf("arg %d: %s\n", i, argv[i]);
  for (char **at = environ; *at != NULL; at++) printf("env: %s\n", *at);
  for (int i = 1; i + 1 < argc; i++) {
    if (strcmp(argv[i], "-v") != 0) continue;
    const char *value = getenv(argv[i + 1]);
    printf("%s %s\n", argv[i + 1], value == NULL ? "is not set" : value);
  }
  return 0;
}
