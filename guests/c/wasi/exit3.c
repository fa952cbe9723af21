/* Writes to both outputs, leaves one line unflushed for `exit` to write, and ends with code 3. */
#include <stdio.h>
#include <stdlib.h>

int main(void) {
  fputs("to stderr\n", stderr);
  printf("no newline at the end");
  exit(3);
}
