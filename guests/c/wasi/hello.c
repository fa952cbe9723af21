/* The smallest program that prints. */
#include <stdio.h>

int main(void) {
  puts("Hello from WebAssembly!");
  return 0;
}
