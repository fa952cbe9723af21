/* Copies the named files, or standard input where none is named, to standard output. Ends with 1 if one cannot be read. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

static int copy(FILE *from) {
  char buffer[4096];
  size_t length;
  while ((length = fread(buffer, 1, sizeof buffer, from)) > 0)
    if (fwrite(buffer, 1, length, stdout) != length) return 1;
  return ferror(from) != 0;
}

int main(int argc, char **argv) {
  int failed = argc < 2 ? copy(stdin) : 0;
  for (int i = 1; i < argc; i++) {
    FILE *file = fopen(argv[i], "rb");
    if (file == NULL) {
      fprintf(stderr, "cat: %s: %s\n", argv[i], strerror(errno));
      failed = 1;
      continue;
    }
    failed |= copy(file);
    fclose(file);
  }
  return failed;
}
