/* Never ends by itself: fuel or time has to stop it. Prints a dot each time a counter of 2^24 runs over. */
#include <stdio.h>

int main(void) {
  for (volatile unsigned i = 0;; i++)
    if ((i & 0xffffff) == 0xffffff) putchar('.'), fflush(stdout);
}
