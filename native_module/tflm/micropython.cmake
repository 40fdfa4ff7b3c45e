# SPDX-License-Identifier: MIT
#
# `tflm` as a user C module, for ports that build with CMake (rp2, esp32); README.md has the recipes.
# rp2: TFLM_DIR is a folder with TFLM's headers and its static library. esp32: TFLM is a component.

add_library(usermod_tflm INTERFACE)
target_sources(usermod_tflm INTERFACE ${CMAKE_CURRENT_LIST_DIR}/modtflm.c)
target_include_directories(usermod_tflm INTERFACE ${CMAKE_CURRENT_LIST_DIR})
target_link_options(usermod_tflm INTERFACE -Wl,--wrap=abort)
target_link_libraries(usermod INTERFACE usermod_tflm)

if(IDF_TARGET)
    # The rest of this folder is an IDF component of its own (CMakeLists.txt), which brings TFLM along.
    idf_component_get_property(TFLM_COMPONENT tflm COMPONENT_LIB)
    target_link_libraries(usermod_tflm INTERFACE ${TFLM_COMPONENT})
    return()
endif()

foreach(name TFLM_DIR TFLM_LIB)
    if(NOT ${name})
        set(${name} $ENV{${name}}) # as `make TFLM_DIR=…` hands it on
    endif()
endforeach()
if(NOT TFLM_LIB)
    file(GLOB TFLM_LIB
        ${TFLM_DIR}/libtensorflow-microlite.a
        ${TFLM_DIR}/lib/libtensorflow-microlite.a
        ${TFLM_DIR}/gen/*/lib/libtensorflow-microlite.a
    )
endif()
list(LENGTH TFLM_LIB TFLM_LIBS)
if(TFLM_LIBS GREATER 1)
    message(FATAL_ERROR "TFLM_DIR=${TFLM_DIR} holds several libraries: name one with TFLM_LIB=…: ${TFLM_LIB}")
endif()
if(NOT EXISTS ${TFLM_DIR}/tensorflow/lite/micro/micro_interpreter.h)
    message(FATAL_ERROR "TFLM_DIR=${TFLM_DIR} holds no TFLM headers (tensorflow/lite/micro/micro_interpreter.h): give \
a folder with TFLM's headers and its static library libtensorflow-microlite.a built for this board's processor")
endif()
set(TFLM_SYMBOLS)
if(EXISTS "${TFLM_LIB}")
    execute_process(COMMAND ${CMAKE_NM} ${TFLM_LIB} OUTPUT_VARIABLE TFLM_SYMBOLS ERROR_QUIET)
endif()
if(NOT TFLM_SYMBOLS MATCHES "T _ZN6tflite[^\n]*MicroInterpreter15AllocateTensorsEv")
    message(FATAL_ERROR "TFLM_DIR=${TFLM_DIR} holds no libtensorflow-microlite.a that was built for this board's \
processor: build it with TFLM's own makefile, or name it with TFLM_LIB=…")
endif()

# Objects for Armv7-M and later link without a word, and fault when they run.
execute_process(COMMAND ${CMAKE_READELF} -A ${TFLM_LIB} OUTPUT_VARIABLE TFLM_ATTRIBUTES ERROR_QUIET)
if(PICO_PLATFORM STREQUAL "rp2040" AND TFLM_ATTRIBUTES MATCHES "Tag_CPU_arch: (v[78][^\n]*)")
    message(FATAL_ERROR "TFLM_DIR=${TFLM_DIR} holds a libtensorflow-microlite.a that was built for Arm \
${CMAKE_MATCH_1}, and this board's processor is a Cortex-M0+: build it with TARGET_ARCH=cortex-m0plus")
endif()

set(TFLM_DOWNLOADS ${TFLM_DIR}/tensorflow/lite/micro/tools/make/downloads)
target_sources(usermod_tflm INTERFACE
    ${CMAKE_CURRENT_LIST_DIR}/tflite.c
    ${CMAKE_CURRENT_LIST_DIR}/shapes.c
    ${CMAKE_CURRENT_LIST_DIR}/custom.c
    ${CMAKE_CURRENT_LIST_DIR}/shim.cpp
)
target_include_directories(usermod_tflm SYSTEM INTERFACE
    ${TFLM_DIR}
    ${TFLM_DIR}/third_party/flatbuffers/include ${TFLM_DIR}/third_party/gemmlowp ${TFLM_DIR}/third_party/ruy
    ${TFLM_DOWNLOADS}/flatbuffers/include ${TFLM_DOWNLOADS}/gemmlowp ${TFLM_DOWNLOADS}/ruy
)
target_compile_definitions(usermod_tflm INTERFACE TF_LITE_STATIC_MEMORY)
target_compile_options(usermod_tflm INTERFACE
    $<$<COMPILE_LANGUAGE:CXX>:-std=c++17> $<$<COMPILE_LANGUAGE:CXX>:-fno-exceptions>
    $<$<COMPILE_LANGUAGE:CXX>:-fno-rtti> $<$<COMPILE_LANGUAGE:CXX>:-fno-threadsafe-statics>)
target_link_libraries(usermod_tflm INTERFACE ${TFLM_LIB} m)
