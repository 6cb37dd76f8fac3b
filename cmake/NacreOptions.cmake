# How our own code is compiled: standard, warnings, sanitizers, cache. Nothing here names a dependency.

option(NACRE_BENCH "Build the benchmarks" ON)
option(NACRE_FUZZ "Build the fuzz targets; takes clang" OFF)
set(NACRE_SANITIZE "" CACHE STRING "Value for -fsanitize=, e.g. address,undefined; empty for none")

if(NOT CMAKE_SYSTEM_PROCESSOR STREQUAL "x86_64")
  message(FATAL_ERROR "Nacre builds on x86_64 only so far: keeper/clone.h holds that machine's entry to clone3")
endif()

set(CMAKE_CXX_STANDARD 20)
set(CMAKE_CXX_STANDARD_REQUIRED ON)
set(CMAKE_CXX_EXTENSIONS OFF)
set(CMAKE_EXPORT_COMPILE_COMMANDS ON)
set(CMAKE_RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/bin)

find_program(NACRE_CCACHE ccache)
if(NACRE_CCACHE AND NOT CMAKE_CXX_COMPILER_LAUNCHER)
  # Precompiled headers defeat ccache unless their time stamps are left out of the hash; paths count from
  # the source folder, so that another clone finds what this one compiled.
  set(CMAKE_CXX_COMPILER_LAUNCHER
      ${CMAKE_COMMAND} -E env CCACHE_SLOPPINESS=pch_defines,time_macros,include_file_mtime,include_file_ctime
      CCACHE_BASEDIR=${CMAKE_SOURCE_DIR} CCACHE_NOHASHDIR=1 ${NACRE_CCACHE})
endif()

find_program(NACRE_LLD ld.lld)
if(NACRE_LLD)
  add_link_options(-fuse-ld=lld)
endif()
add_link_options(-Wl,--as-needed -Wl,--gc-sections)
add_compile_options(-ffunction-sections -fdata-sections -fno-omit-frame-pointer)
if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
  add_compile_options(-fpch-preprocess)
endif()

if(NACRE_SANITIZE)
  add_compile_options(-fsanitize=${NACRE_SANITIZE} -fno-sanitize-recover=all)
  add_link_options(-fsanitize=${NACRE_SANITIZE})
  if(NACRE_SANITIZE STREQUAL "thread")
    # ThreadSanitizer knows no fences; Asio's separate handlers of its own loop from each other.
    add_compile_definitions(ASIO_DISABLE_FENCED_BLOCK)
  endif()
endif()

if(NACRE_FUZZ)
  # Counts what an input reaches; libFuzzer itself comes with the fuzz targets only. A check of vptr takes four
  # system calls, and finds what AddressSanitizer finds.
  add_compile_options(-O2 -fsanitize=fuzzer-no-link -fno-sanitize-coverage=trace-cmp -fno-sanitize=vptr)
  add_link_options(-fsanitize=fuzzer-no-link)
endif()

# nacre_library(NAME sources…): a folder's static library, with the alias nacre::NAME.
function(nacre_library name)
  add_library(nacre_${name} STATIC ${ARGN})
  add_library(nacre::${name} ALIAS nacre_${name})
  nacre_own_code(nacre_${name})
endfunction()

# nacre_binary(NAME sources…): an executable of our own.
function(nacre_binary name)
  add_executable(${name} ${ARGN})
  nacre_own_code(${name})
endfunction()

# Warnings are errors in what we wrote, and only there.
function(nacre_own_code target)
  target_compile_options(${target} PRIVATE -Wall -Wextra -Werror -Wnon-virtual-dtor -Woverloaded-virtual
                                           -Wno-missing-field-initializers $<$<CXX_COMPILER_ID:GNU>:-Wshadow=local>)
  target_include_directories(${target} PRIVATE ${CMAKE_SOURCE_DIR})
endfunction()
