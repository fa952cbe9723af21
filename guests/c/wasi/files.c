/* Makes, writes, appends, seeks, reads, truncates, renames and removes files in the directory named by its argument, and says what it saw. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static char path[512];

static const char *at(const char *directory, const char *name) {
  static char paths[2][512];
  static int next;
  next ^= 1;
  snprintf(paths[next], sizeof paths[next], "%s/%s", directory, name);
  return paths[next];
}

static void report(const char *what, long long result) {
  if (result < 0) printf("%s: %s\n", what, strerror(errno));
  else printf("%s: %lld\n", what, result);
}

int main(int argc, char **argv) {
  const char *directory = argc > 1 ? argv[1] : "/";
  char buffer[64];
  struct stat info;

  report("mkdir", mkdir(at(directory, "made"), 0777));
  report("mkdir again", mkdir(at(directory, "made"), 0777));
  snprintf(path, sizeof path, "%s/made/a.txt", directory);

  int fd = open(path, O_CREAT | O_EXCL | O_RDWR, 0666);
  report("create", fd < 0 ? -1 : 0);
  report("write", write(fd, "hello, files\n", 13));
  report("seek", lseek(fd, 7, SEEK_SET));
  long long length = read(fd, buffer, sizeof buffer);
  report("read", length);
  printf("text: %.*s", (int)(length > 0 ? length : 0), buffer);
  report("pwrite", pwrite(fd, "HELLO", 5, 0));
  report("end", lseek(fd, 0, SEEK_END));
  report("truncate", ftruncate(fd, 5));
  report("close", close(fd));
  report("create again", open(path, O_CREAT | O_EXCL | O_RDWR, 0666));

  FILE *file = fopen(path, "a+");
  if (file == NULL) return 1;
  fputs(" and goodbye\n", file);
  rewind(file);
  if (fgets(buffer, sizeof buffer, file) != NULL) printf("line: %s", buffer);
  fclose(file);

  report("rename", rename(path, at(directory, "made/b.txt")));
  report("stat old", stat(path, &info));
  report("stat new", stat(at(directory, "made/b.txt"), &info) < 0 ? -1 : (long long)info.st_size);
  report("rmdir full", rmdir(at(directory, "made")));
  report("unlink", unlink(at(directory, "made/b.txt")));
  report("rmdir", rmdir(at(directory, "made")));
  report("open outside", open("../outside", O_RDONLY));

  file = fopen(at(directory, "kept.txt"), "w");
  if (file == NULL) return 1;
  for (int i = 0; i < 100; i++) fprintf(file, "line %d\n", i);
  return fclose(file) == 0 ? 0 : 1;
}
