# One fmt for everything. The torch wheel ships fmt 12 headers in its include folder; Debian's spdlog is built on Debian's
# fmt 9. A folder that holds nothing but links to the system's fmt and spdlog, given with -I before torch's -isystem, makes
# every file see the same one (two would be an ODR violation).
find_path(EOSIN_FMT_INCLUDE fmt/core.h PATHS /usr/include NO_DEFAULT_PATH REQUIRED)
set(EOSIN_FMT_LINKS ${CMAKE_BINARY_DIR}/fmt-first)
file(MAKE_DIRECTORY ${EOSIN_FMT_LINKS})
foreach(lib fmt spdlog)
  if(NOT EXISTS ${EOSIN_FMT_LINKS}/${lib})
    file(CREATE_LINK ${EOSIN_FMT_INCLUDE}/${lib} ${EOSIN_FMT_LINKS}/${lib} SYMBOLIC)
  endif()
endforeach()
include_directories(BEFORE ${EOSIN_FMT_LINKS})
find_package(fmt REQUIRED)
