/* Lists a directory sorted by name: kind, size in bytes, name. With two arguments the second is how often to rewind and list. */
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

static int byName(const void *a, const void *b) { return strcmp(*(char *const *)a, *(char *const *)b); }

static int list(DIR *directory, const char *path) {
  char **names = NULL;
  size_t count = 0;
  struct dirent *entry;
  while ((entry = readdir(directory)) != NULL) {
    if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0) continue;
    names = realloc(names, (count + 1) * sizeof *names);
    names[count++] = strdup(entry->d_name);
  }
  qsort(names, count, sizeof *names, byName);
  for (size_t i = 0; i < count; i++) {
    char full[512];
    struct stat info;
    snprintf(full, sizeof full, "%s/%s", path, names[i]);
    if (stat(full, &info) != 0) {
      fprintf(stderr, "list: %s: %s\n", full, strerror(errno));
      return 1;
    }
    if (S_ISDIR(info.st_mode)) printf("dir  %10s %s\n", "-", names[i]);
    else printf("file %10lld %s\n", (long long)info.st_size, names[i]);
    free(names[i]);
  }
  free(names);
  return 0;
}

int main(int argc, char **argv) {
  const char *path = argc > 1 ? argv[1] : "/";
  int times = argc > 2 ? atoi(argv[2]) : 1;
  DIR *directory = opendir(path);
  if (directory == NULL) {
    fprintf(stderr, "list: %s: %s\n", path, strerror(errno));
    return 1;
  }
  int failed = 0;
  for (int i = 0; i < times && !failed; i++) {
    failed = list(directory, path);
    rewinddir(directory);
  }
  closedir(directory);
  return failed;
}
