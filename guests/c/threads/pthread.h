/*
 * The part of POSIX threads that our guests use, over wasi-threads: Debian's wasi-libc has none. The
 * names and meanings are those of wasm32-wasi-threads, as is the module that comes out: it imports
 * its shared memory and wasi.thread-spawn, and exports wasi_thread_start.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#define IMPORT(module, name) __attribute__((import_module(module), import_name(name)))

IMPORT("wasi", "thread-spawn") int32_t wasi_thread_spawn(void *start);
IMPORT("wasi_snapshot_preview1", "fd_write") int32_t wasi_fd_write(int32_t, const void *, size_t, size_t *);
IMPORT("wasi_snapshot_preview1", "proc_exit") _Noreturn void wasi_proc_exit(int32_t);
IMPORT("wasi_snapshot_preview1", "sched_yield") int32_t wasi_sched_yield(void);
IMPORT("wasi_snapshot_preview1", "args_sizes_get") int32_t wasi_args_sizes_get(size_t *, size_t *);
IMPORT("wasi_snapshot_preview1", "args_get") int32_t wasi_args_get(char **, char *);

enum { EAGAIN = 6, ETIMEDOUT = 73, STACK_BYTES = 16384 };

typedef struct { int state; } pthread_mutex_t; /* 0 free, 1 taken, 2 taken and waited for */
typedef struct { int sequence; } pthread_cond_t;

typedef struct thread {
  void *stack_top; /* first: wasi_thread_start reads it */
  int is_done;
  int32_t tid;
  void *(*start)(void *);
  void *argument;
  void *result;
  void *memory;
  struct thread *next_free;
} *pthread_t;

#define PTHREAD_MUTEX_INITIALIZER { 0 }
#define PTHREAD_COND_INITIALIZER { 0 }

static inline int futex_wait(int *at, int expected, int64_t timeout_ns) {
  return __builtin_wasm_memory_atomic_wait32(at, expected, timeout_ns);
}

static inline void futex_wake(int *at, unsigned count) { __builtin_wasm_memory_atomic_notify(at, count); }

static inline void pthread_mutex_lock(pthread_mutex_t *mutex) {
  int was = 0;
  if (__atomic_compare_exchange_n(&mutex->state, &was, 1, 0, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST)) return;
  while (__atomic_exchange_n(&mutex->state, 2, __ATOMIC_SEQ_CST) != 0) futex_wait(&mutex->state, 2, -1);
}

static inline void pthread_mutex_unlock(pthread_mutex_t *mutex) {
  if (__atomic_exchange_n(&mutex->state, 0, __ATOMIC_SEQ_CST) == 2) futex_wake(&mutex->state, 1);
}

/* As pthread_cond_timedwait, but for so many nanoseconds; negative: for ever. */
static inline int pthread_cond_wait_ns(pthread_cond_t *cond, pthread_mutex_t *mutex, int64_t timeout_ns) {
  int sequence = __atomic_load_n(&cond->sequence, __ATOMIC_SEQ_CST);
  pthread_mutex_unlock(mutex);
  int result = futex_wait(&cond->sequence, sequence, timeout_ns);
  pthread_mutex_lock(mutex);
  return result == 2 ? ETIMEDOUT : 0;
}

static inline int pthread_cond_wait(pthread_cond_t *cond, pthread_mutex_t *mutex) {
  return pthread_cond_wait_ns(cond, mutex, -1);
}

static inline void pthread_cond_signal(pthread_cond_t *cond) {
  __atomic_fetch_add(&cond->sequence, 1, __ATOMIC_SEQ_CST);
  futex_wake(&cond->sequence, 1);
}

static inline void pthread_cond_broadcast(pthread_cond_t *cond) {
  __atomic_fetch_add(&cond->sequence, 1, __ATOMIC_SEQ_CST);
  futex_wake(&cond->sequence, -1u);
}

static inline void sched_yield(void) { wasi_sched_yield(); }

/* A thread has its own copy of these. */
static _Thread_local pthread_t current_thread;

static inline pthread_t pthread_self(void) { return current_thread; }

void __wasm_init_tls(void *memory);
extern char __heap_base;

static pthread_mutex_t heap_lock = PTHREAD_MUTEX_INITIALIZER;
static uintptr_t heap_end;
static pthread_t free_threads;

/* Memory that is never given back. NULL when there is none. */
static inline void *allocate(size_t bytes) {
  pthread_mutex_lock(&heap_lock);
  if (heap_end == 0) heap_end = (uintptr_t)&__heap_base;
  uintptr_t at = (heap_end + 15) & ~(uintptr_t)15;
  uintptr_t end = at + bytes;
  size_t size = __builtin_wasm_memory_size(0) * 65536;
  int is_there = end <= size || __builtin_wasm_memory_grow(0, (end - size + 65535) / 65536) != (size_t)-1;
  if (is_there) heap_end = end;
  pthread_mutex_unlock(&heap_lock);
  return is_there ? (void *)at : NULL;
}

/* A thread whose stack may be used: one that was joined, or a new one. */
static inline pthread_t new_thread(void) {
  pthread_mutex_lock(&heap_lock);
  pthread_t thread = free_threads;
  if (thread != NULL) free_threads = thread->next_free;
  pthread_mutex_unlock(&heap_lock);
  if (thread != NULL) return thread;
  thread = allocate(sizeof *thread);
  if (thread == NULL) return NULL;
  thread->memory = allocate(STACK_BYTES + __builtin_wasm_tls_size() + __builtin_wasm_tls_align());
  if (thread->memory == NULL) return NULL;
  thread->stack_top = (char *)thread->memory + STACK_BYTES;
  return thread;
}

static inline void free_thread(pthread_t thread) {
  pthread_mutex_lock(&heap_lock);
  thread->next_free = free_threads;
  free_threads = thread;
  pthread_mutex_unlock(&heap_lock);
}

/* What wasi_thread_start calls on the new stack. It tells that the thread is done, at the address returned here. */
__attribute__((used)) static int *thread_entry(int32_t tid, pthread_t thread) {
  size_t align = __builtin_wasm_tls_align();
  uintptr_t tls = (uintptr_t)thread->stack_top;
  if (align > 0) tls = (tls + align - 1) & ~(align - 1);
  __wasm_init_tls((void *)tls);
  current_thread = thread;
  thread->tid = tid;
  thread->result = thread->start(thread->argument);
  return &thread->is_done;
}

/* Each instance has a stack pointer of its own; the last steps use no stack, which may be given away by then. */
__asm__(".globaltype __stack_pointer, i32\n"
        ".functype thread_entry (i32, i32) -> (i32)\n"
        ".export_name wasi_thread_start, wasi_thread_start\n"
        ".globl wasi_thread_start\n"
        ".hidden wasi_thread_start\n"
        ".type wasi_thread_start,@function\n"
        "wasi_thread_start:\n"
        "  .functype wasi_thread_start (i32, i32) -> ()\n"
        "  local.get 1\n"
        "  i32.load 0\n"
        "  global.set __stack_pointer\n"
        "  local.get 0\n"
        "  local.get 1\n"
        "  call thread_entry\n"
        "  local.tee 0\n"
        "  i32.const 1\n"
        "  i32.atomic.store 0\n"
        "  local.get 0\n"
        "  i32.const -1\n"
        "  memory.atomic.notify 0\n"
        "  drop\n"
        "  end_function\n");

static inline int pthread_create(pthread_t *out, const void *attributes, void *(*start)(void *), void *argument) {
  (void)attributes;
  pthread_t thread = new_thread();
  if (thread == NULL) return EAGAIN;
  thread->is_done = 0;
  thread->start = start;
  thread->argument = argument;
  *out = thread;
  if (wasi_thread_spawn(thread) > 0) return 0;
  free_thread(thread);
  return EAGAIN;
}

static inline int pthread_join(pthread_t thread, void **result) {
  while (__atomic_load_n(&thread->is_done, __ATOMIC_SEQ_CST) == 0) futex_wait(&thread->is_done, 0, -1);
  if (result != NULL) *result = thread->result;
  free_thread(thread);
  return 0;
}
