/* Calls and little else: the doubly recursive Fibonacci number. */
#include "kernel.h"

NOINLINE static u32 fib(u32 n) { return n < 2 ? n : fib(n - 1) + fib(n - 2); }

EXPORT i32 run(i32 n) { return (i32)fib((u32)n); }
