# SPDX-License-Identifier: MIT
#
# `_hognose` as a user C module, for ports that build with CMake (rp2, esp32):
#   make -C ports/rp2 BOARD=RPI_PICO USER_C_MODULES=…/native_module/micropython/micropython.cmake

set(HOGNOSE_ENGINE ${CMAKE_CURRENT_LIST_DIR}/../engine)
file(GLOB HOGNOSE_SOURCES CONFIGURE_DEPENDS ${HOGNOSE_ENGINE}/*.c ${HOGNOSE_ENGINE}/ops/*.c)

add_library(usermod_hognose INTERFACE)
target_sources(usermod_hognose INTERFACE ${CMAKE_CURRENT_LIST_DIR}/modhognose.c ${HOGNOSE_SOURCES})
target_include_directories(usermod_hognose INTERFACE ${HOGNOSE_ENGINE})
target_compile_options(usermod_hognose INTERFACE -ffp-contract=off)
target_link_libraries(usermod INTERFACE usermod_hognose)
