/* A program of threads without a library: its arguments, its output, its end. */
#pragma once

#include "pthread.h"

static char *arguments[8];
static size_t argument_count;

static inline void read_arguments(void) {
  static char text[256];
  size_t bytes;
  if (wasi_args_sizes_get(&argument_count, &bytes) != 0 || argument_count > 8 || bytes > sizeof text) wasi_proc_exit(125);
  wasi_args_get(arguments, text);
}

/* The number at a place of the command line. */
static inline int number_at(size_t index, int otherwise) {
  if (index >= argument_count) return otherwise;
  int value = 0;
  for (const char *c = arguments[index]; *c >= '0' && *c <= '9'; c++) value = value * 10 + (*c - '0');
  return value;
}

static inline int is_argument(size_t index, const char *word) {
  if (index >= argument_count) return 0;
  const char *c = arguments[index];
  while (*c != 0 && *c == *word) c++, word++;
  return *c == *word;
}

static inline void print(const char *text) {
  struct { const char *at; size_t length; } part = { text, 0 };
  while (text[part.length] != 0) part.length++;
  size_t written;
  wasi_fd_write(1, &part, 1, &written);
}

static inline void print_number(const char *before, long value, const char *after) {
  char digits[24];
  char *at = digits + sizeof digits;
  *--at = 0;
  unsigned long rest = value < 0 ? -(unsigned long)value : (unsigned long)value;
  do *--at = '0' + rest % 10;
  while ((rest /= 10) != 0);
  if (value < 0) *--at = '-';
  print(before);
  print(at);
  print(after);
}

int main(void);

__attribute__((export_name("_start"))) void _start(void) {
  read_arguments();
  int code = main();
  if (code != 0) wasi_proc_exit(code);
}
