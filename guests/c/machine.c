/* br_table: a stack machine that runs a small loop of its own, n steps. */
#include "kernel.h"

enum { PUSH, LOAD, STORE, ADD, SUB, MUL, XOR, SHL, LESS, JUMP, JUMP_IF, DUP, DROP, SWAP, HALT, INC };

/* i = 0; sum = 1; while (i < 100) { sum = (sum * 31 ^ i << 3) + i; i++ } */
static const u8 program[] = {
  PUSH, 0, STORE, 0, PUSH, 1, STORE, 1,
  /* 8: */ LOAD, 1, PUSH, 31, MUL, 0, LOAD, 0, PUSH, 3, SHL, 0, XOR, 0, LOAD, 0, ADD, 0, DUP, 0, STORE, 1, DROP, 0,
  INC, 0, LOAD, 0, PUSH, 100, LESS, 0, JUMP_IF, 8, HALT, 0,
};

static u32 stack[32], variables[8];

NOINLINE static u32 interpret(u32 steps) {
  u32 pc = 0, sp = 0;
  while (steps-- > 0) {
    u32 op = program[pc], operand = program[pc + 1];
    pc += 2;
    switch (op) {
      case PUSH: stack[sp++] = operand; break;
      case LOAD: stack[sp++] = variables[operand]; break;
      case STORE: variables[operand] = stack[--sp]; break;
      case ADD: sp--, stack[sp - 1] += stack[sp]; break;
      case SUB: sp--, stack[sp - 1] -= stack[sp]; break;
      case MUL: sp--, stack[sp - 1] *= stack[sp]; break;
      case XOR: sp--, stack[sp - 1] ^= stack[sp]; break;
      case SHL: sp--, stack[sp - 1] <<= stack[sp] & 31; break;
      case LESS: sp--, stack[sp - 1] = stack[sp - 1] < stack[sp]; break;
      case JUMP: pc = operand; break;
      case JUMP_IF: if (stack[--sp]) pc = operand; break;
      case DUP: stack[sp] = stack[sp - 1], sp++; break;
      case DROP: sp--; break;
      case SWAP: { u32 top = stack[sp - 1]; stack[sp - 1] = stack[sp - 2], stack[sp - 2] = top; break; }
      case INC: variables[operand]++; break;
      case HALT: pc = 0, sp = 0; break;
    }
  }
  return variables[1] ^ pc ^ sp;
}

EXPORT i32 run(i32 n) { return (i32)interpret((u32)n); }
