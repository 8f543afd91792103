# Flags of our own code. Contraction is off because golden cases are compared to the bit.
set(EOSIN_WARNINGS -Wall -Wextra -Wpedantic -Wshadow -Wno-unused-parameter -Wnon-virtual-dtor -Woverloaded-virtual)
if(EOSIN_WERROR)
  list(APPEND EOSIN_WARNINGS -Werror)
endif()
# -fPIC for everything: executables must be able to use the libraries' precompiled header.
add_compile_options(-ffp-contract=off -fPIC)
if(EOSIN_ARCH)
  add_compile_options(-march=${EOSIN_ARCH})
endif()
# NDEBUG in every build: classes of torch's headers have members that exist only without it, and torch's libraries were built with it.
set(CMAKE_CXX_FLAGS_RELEASE "-O2 -DNDEBUG")
set(CMAKE_CXX_FLAGS_DEBUG "-O1 -g1 -DNDEBUG -D_GLIBCXX_ASSERTIONS")
if(EOSIN_SANITIZE)
  # gcc 12 takes the instrumented code of std::regex for uninitialised.
  add_compile_options(-fsanitize=${EOSIN_SANITIZE} -fno-sanitize-recover=undefined -fno-omit-frame-pointer $<$<COMPILE_LANG_AND_ID:CXX,GNU>:-Wno-maybe-uninitialized>)
  add_link_options(-fsanitize=${EOSIN_SANITIZE})
endif()
find_program(EOSIN_MOLD mold)
if(EOSIN_MOLD AND NOT EOSIN_SANITIZE)
  add_link_options(-fuse-ld=mold)
endif()
find_program(EOSIN_CCACHE ccache)
if(EOSIN_CCACHE)
  # Objects are shared between checkouts: paths relative to this source tree, and a precompiled header may be cached.
  set(CMAKE_CXX_COMPILER_LAUNCHER env CCACHE_SLOPPINESS=pch_defines,time_macros,include_file_mtime,include_file_ctime
      CCACHE_DIR=${EOSIN_CACHE_DIR}/ccache CCACHE_BASEDIR=${CMAKE_SOURCE_DIR} CCACHE_NOHASHDIR=1 CCACHE_PCH_EXTSUM=1 ${EOSIN_CCACHE})
endif()
