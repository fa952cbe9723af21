/* A test program as Rust's library for Lunatic makes them: one export for each test, whose panics
   write what Rust's do, in the words of its different versions. */

#include <stdio.h>
#include <string.h>
#include "lunatic.h"

static void child_named(const char *name, uint64_t link) {
  uint64_t id;
  spawn(link, OWN, OWN, name, strlen(name), 0, 0, &id);
}

static void panic_since_1_73(const char *message) {
  fprintf(stderr, "thread '<unnamed>' panicked at src/lib.rs:7:9:\n%s\n", message);
  fprintf(stderr, "note: run with `RUST_BACKTRACE=1` environment variable to display a backtrace\n");
  __builtin_trap();
}

EXPORT("#lunatic_test_passes") void passes(void) { puts("quiet words"); }

EXPORT("#lunatic_test_panics") void panics(void) { panic_since_1_73("that was wrong"); }

EXPORT("#lunatic_test_#panic_#old::any") void old_any(void) {
  fprintf(stderr, "thread '<unnamed>' panicked at 'it''s over', src/lib.rs:7:9\n");
  __builtin_trap();
}

EXPORT("#lunatic_test_#panic_number \\#7#new::words") void new_words(void) { panic_since_1_73("number #7 is wrong"); }

EXPORT("#lunatic_test_#panic_left#numbered::words") void numbered_words(void) {
  fprintf(stderr, "thread 'main' (17) panicked at src/lib.rs:7:9:\nleft: 1\nright: 2\n");
  __builtin_trap();
}

EXPORT("#lunatic_test_#panic_other#other_words") void other_words(void) { panic_since_1_73("these words"); }

EXPORT("#lunatic_test_#panic_#does_not_panic") void does_not_panic(void) {}

EXPORT("#lunatic_test_#ignore_ignored") void ignored(void) { panic_since_1_73("I should not run"); }

/* Sleeps that a virtual clock need not wait for; the order of the lines shows that time passes. */
EXPORT("#lunatic_test_sleeps") void sleeps(void) {
  child_named("sleeper", 0);
  sleep_ms(600000);
  puts("after ten minutes");
}

EXPORT("sleeper") void sleeper(void) {
  sleep_ms(300000);
  puts("after five minutes");
}

/* The child panics; the test is told, and passes: only the panic of its own process counts. */
EXPORT("#lunatic_test_child_panics") void child_panics(void) {
  die_when_link_dies(0);
  child_named("panicking", 5);
  if (receive(0, 0, FOREVER) != SIGNAL_LINK_DIED) __builtin_trap();
}

EXPORT("panicking") void panicking(void) { panic_since_1_73("a child's panic"); }

int main(void) {
  puts("running 0 tests");
  return 0;
}
