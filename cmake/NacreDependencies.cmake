# What we build on, all from Debian. gRPC, protobuf and Abseil are linked from their static libraries:
# a gRPC program then starts in a third of the time, and no process mixes static and shared copies.

find_package(Threads REQUIRED)
find_package(PkgConfig REQUIRED)
pkg_check_modules(NACRE_GRPC_PC REQUIRED grpc++>=1.51)
find_program(NACRE_PROTOC protoc REQUIRED)
find_program(NACRE_GRPC_CPP_PLUGIN grpc_cpp_plugin REQUIRED)

# nacre_static_libs(OUT names…): full paths of static libraries.
function(nacre_static_libs out)
  set(paths)
  foreach(name IN LISTS ARGN)
    find_library(NACRE_LIB_${name} NAMES lib${name}.a REQUIRED)
    list(APPEND paths ${NACRE_LIB_${name}})
  endforeach()
  set(${out} ${paths} PARENT_SCOPE)
endfunction()

set(grpc_names ${NACRE_GRPC_PC_STATIC_LIBRARIES})
list(REMOVE_DUPLICATES grpc_names)
list(REMOVE_ITEM grpc_names dl rt pthread atomic)
set(absl_names ${grpc_names})
list(FILTER absl_names INCLUDE REGEX "^absl_")
list(FILTER grpc_names EXCLUDE REGEX "^absl_")

nacre_static_libs(absl_libs ${absl_names})
nacre_static_libs(grpc_libs ${grpc_names})
nacre_static_libs(protobuf_lib protobuf)
nacre_static_libs(protobuf_lite_lib protobuf-lite)
nacre_static_libs(crypto_lib crypto)
nacre_static_libs(seccomp_lib seccomp)

function(nacre_external name)
  add_library(nacre_${name} INTERFACE)
  add_library(nacre::${name} ALIAS nacre_${name})
  target_link_libraries(nacre_${name} INTERFACE ${ARGN})
endfunction()

nacre_external(absl -Wl,--start-group ${absl_libs} -Wl,--end-group Threads::Threads rt)
nacre_external(protobuf_lite ${protobuf_lite_lib} Threads::Threads)
nacre_external(grpc -Wl,--start-group ${grpc_libs} ${protobuf_lib} ${absl_libs} -Wl,--end-group Threads::Threads rt dl)
# Only the shared one chooses by the machine's vector instructions.
nacre_external(xxhash xxhash)
nacre_external(seccomp ${seccomp_lib})
nacre_external(crypto ${crypto_lib} Threads::Threads dl)

find_path(NACRE_ASIO_INCLUDE asio.hpp REQUIRED)
nacre_external(asio Threads::Threads)
target_include_directories(nacre_asio SYSTEM INTERFACE ${NACRE_ASIO_INCLUDE})
# Asio finds std::aligned_alloc or not depending on what was included before it: one way for every file,
# or memory of one kind is freed as the other.
target_compile_definitions(nacre_asio INTERFACE ASIO_STANDALONE ASIO_NO_DEPRECATED ASIO_DISABLE_STD_ALIGNED_ALLOC)

find_package(CLI11 REQUIRED)

find_package(spdlog REQUIRED)
nacre_external(spdlog spdlog::spdlog)
find_package(nlohmann_json REQUIRED)
