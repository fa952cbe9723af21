/* Counts lines, words and bytes of standard input and prints the most frequent words: allocation, hashing, sorting, formatting. */
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct { char *text; unsigned count; } Word;

static Word *table;
static size_t capacity, used;

static Word *find(Word *words, size_t size, const char *text) {
  unsigned hash = 2166136261u;
  for (const char *at = text; *at; at++) hash = (hash ^ (unsigned char)*at) * 16777619u;
  size_t index = hash % size;
  while (words[index].text != NULL && strcmp(words[index].text, text) != 0) index = (index + 1) % size;
  return &words[index];
}

static void grow(void) {
  size_t larger = capacity == 0 ? 64 : capacity * 2;
  Word *words = calloc(larger, sizeof *words);
  for (size_t i = 0; i < capacity; i++)
    if (table[i].text != NULL) *find(words, larger, table[i].text) = table[i];
  free(table);
  table = words;
  capacity = larger;
}

static void add(const char *text) {
  if (used * 2 >= capacity) grow();
  Word *word = find(table, capacity, text);
  if (word->text == NULL) word->text = strdup(text), used++;
  word->count++;
}

static int byCount(const void *a, const void *b) {
  const Word *first = a, *second = b;
  if (first->count != second->count) return first->count < second->count ? 1 : -1;
  if (first->text == NULL || second->text == NULL) return 0;
  return strcmp(first->text, second->text);
}

int main(void) {
  char word[128];
  size_t length = 0;
  unsigned long lines = 0, words = 0, bytes = 0;
  for (int c; (c = getchar()) != EOF;) {
    bytes++;
    if (c == '\n') lines++;
    if (isalnum(c) && length < sizeof word - 1) {
      word[length++] = (char)tolower(c);
    } else if (length > 0) {
      word[length] = 0;
      add(word);
      words++;
      length = 0;
    }
  }
  printf("%lu lines, %lu words, %lu bytes, %zu different\n", lines, words, bytes, used);
  qsort(table, capacity, sizeof *table, byCount);
  for (size_t i = 0; i < 5 && i < used; i++)
    printf("%6u %5.1f%% %s\n", table[i].count, 100.0 * table[i].count / (double)words, table[i].text);
  return 0;
}
