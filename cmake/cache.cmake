# The one folder outside the checkout that setup and builds write to.
if(DEFINED ENV{EOSIN_CACHE})
  set(EOSIN_CACHE_DIR $ENV{EOSIN_CACHE})
elseif(DEFINED ENV{XDG_CACHE_HOME})
  set(EOSIN_CACHE_DIR $ENV{XDG_CACHE_HOME}/eosin)
else()
  set(EOSIN_CACHE_DIR $ENV{HOME}/.cache/eosin)
endif()
