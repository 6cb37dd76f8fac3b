#pragma once

#include <linux/sched.h>
#include <stdint.h>
#include <sys/syscall.h>

// What a child may use between clone3 and execve while it shares the keeper's memory: raw system
// calls that return -errno. libc's own wrappers are out of bounds there, since they would write the
// keeper's errno, and so are malloc, locks and instrumented code.
namespace nacre::keeper::raw {

#define NACRE_CHILD_CODE \
  __attribute__((no_sanitize("address", "thread", "undefined"), no_stack_protector))

NACRE_CHILD_CODE inline long Syscall(long number, long a = 0, long b = 0, long c = 0, long d = 0,
                                     long e = 0) {
  long result;
  register long r10 asm("r10") = d;
  register long r8 asm("r8") = e;
  asm volatile("syscall"
               : "=a"(result)
               : "a"(number), "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8)
               : "rcx", "r11", "memory");
  return result;
}

// clone3 into a child that runs `entry(argument)` on the stack in `args`; `entry` must not return.
// Returns the child's pid to the parent, or -errno.
NACRE_CHILD_CODE inline long Clone3(clone_args* args, void (*entry)(void*), void* argument) {
  long result;
  register void (*r8)(void*) asm("r8") = entry;
  register void* r9 asm("r9") = argument;
  asm volatile(
      "syscall\n\t"
      "test %%rax, %%rax\n\t"
      "jnz 1f\n\t"
      "xor %%ebp, %%ebp\n\t"
      "mov %%r9, %%rdi\n\t"
      "call *%%r8\n\t"
      "ud2\n"
      "1:"
      : "=a"(result)
      : "a"(SYS_clone3), "D"(args), "S"(sizeof(*args)), "r"(r8), "r"(r9)
      : "rcx", "r11", "memory");
  return result;
}

}  // namespace nacre::keeper::raw
