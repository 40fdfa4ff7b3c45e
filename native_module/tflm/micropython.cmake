# SPDX-License-Identifier: MIT
# Part of hognose: neural networks in MicroPython.
#
# `tflm` as a user C module, for ports that build with CMake (rp2, esp32):
#   make -C ports/rp2 BOARD=RPI_PICO USER_C_MODULES=…/native_module/tflm/micropython.cmake \
#     CMAKE_ARGS=-DTFLM_DIR=…
# On ESP32 TFLM is the component espressif/esp-tflite-micro of idf_component.yml, and TFLM_DIR is not given.
# README.md says what TFLM_DIR holds.

add_library(usermod_tflm INTERFACE)
target_sources(usermod_tflm INTERFACE
    ${CMAKE_CURRENT_LIST_DIR}/modtflm.c
    ${CMAKE_CURRENT_LIST_DIR}/tflite.c
    ${CMAKE_CURRENT_LIST_DIR}/shapes.c
    ${CMAKE_CURRENT_LIST_DIR}/shim.cpp
)
target_include_directories(usermod_tflm INTERFACE ${CMAKE_CURRENT_LIST_DIR})
target_compile_definitions(usermod_tflm INTERFACE TF_LITE_STATIC_MEMORY)
target_compile_options(usermod_tflm INTERFACE
    $<$<COMPILE_LANGUAGE:CXX>:-std=c++17 -fno-exceptions -fno-rtti -fno-threadsafe-statics>)
target_link_options(usermod_tflm INTERFACE -Wl,--wrap=abort)
target_link_libraries(usermod INTERFACE usermod_tflm)

if(IDF_TARGET)
    # MicroPython's own component gets it by MICROPY_USERMOD… no further than its headers; the archive
    # comes with the component.
    idf_component_get_property(TFLM_COMPONENT espressif__esp-tflite-micro COMPONENT_LIB)
    target_link_libraries(usermod_tflm INTERFACE ${TFLM_COMPONENT})
    return()
endif()

if(NOT TFLM_LIB)
    file(GLOB TFLM_LIB
        ${TFLM_DIR}/libtensorflow-microlite.a
        ${TFLM_DIR}/lib/libtensorflow-microlite.a
        ${TFLM_DIR}/gen/*/lib/libtensorflow-microlite.a
    )
    list(LENGTH TFLM_LIB TFLM_LIBS)
    if(TFLM_LIBS GREATER 1)
        message(FATAL_ERROR "TFLM_DIR=${TFLM_DIR} holds several libraries: name one with -DTFLM_LIB=…: ${TFLM_LIB}")
    endif()
endif()
if(NOT EXISTS ${TFLM_DIR}/tensorflow/lite/micro/micro_interpreter.h)
    message(FATAL_ERROR "TFLM_DIR=${TFLM_DIR} holds no TFLM headers (tensorflow/lite/micro/micro_interpreter.h): give a \
folder with TFLM's headers and its static library libtensorflow-microlite.a built for this board's processor")
endif()
if(NOT EXISTS "${TFLM_LIB}")
    message(FATAL_ERROR "TFLM_DIR=${TFLM_DIR} holds no libtensorflow-microlite.a: build it there with TFLM's own makefile \
for this board's processor, or name it with -DTFLM_LIB=…")
endif()

set(TFLM_DOWNLOADS ${TFLM_DIR}/tensorflow/lite/micro/tools/make/downloads)
target_include_directories(usermod_tflm INTERFACE
    ${TFLM_DIR}
    ${TFLM_DIR}/third_party/flatbuffers/include ${TFLM_DIR}/third_party/gemmlowp ${TFLM_DIR}/third_party/ruy
    ${TFLM_DOWNLOADS}/flatbuffers/include ${TFLM_DOWNLOADS}/gemmlowp ${TFLM_DOWNLOADS}/ruy
)
target_link_libraries(usermod_tflm INTERFACE ${TFLM_LIB} m stdc++)
