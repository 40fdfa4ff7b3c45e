// SPDX-License-Identifier: MIT
//
// The tables of kernels and ports as data. (Nothing here may read them: what the linker adds is not known to the compiler.)
#include "table.h"

#define ENTRY(name, record, nest, types, check, run) {HOG_##name, sizeof(record) / 4, nest, types, check, run}
#define PORT_ENTRY(name, types) {types, hog_write_##name, hog_read_##name}

#if defined(HOG_LINKED)

// The section names are known to the linker; a number tells the kernels of an operator apart.
#define SECTION(name) __attribute__((section(".data.rel.ro." name), used))
#define KERNEL(name, number, ...) \
    SECTION("hog_op." #name "_" #number) static const hog_operator_t name##_##number = ENTRY(name, __VA_ARGS__);
#define ONE(name, code, record, nest, check, types, run) KERNEL(name, 0, record, nest, types, check, run)
#define TWO(name, code, record, nest, check, types, run, types2, run2) \
    ONE(name, code, record, nest, check, types, run) KERNEL(name, 1, record, nest, types2, check, run2)
#define THREE(name, code, record, nest, check, types, run, types2, run2, types3, run3) \
    TWO(name, code, record, nest, check, types, run, types2, run2) KERNEL(name, 2, record, nest, types3, check, run3)
#define PORT(name, types) SECTION("hog_port." #name) static const hog_port_t port_##name = PORT_ENTRY(name, types);

HOG_OPERATORS(ONE, TWO, THREE)
HOG_PORTS(PORT)

SECTION("hog_ops") const hog_operator_t hog_operators[1] = {{0, 0, 0, 0, NULL, NULL}};
SECTION("hog_ports") const hog_port_t hog_ports[1] = {{0, NULL, NULL}};

#else

#define COUNT_ONE(...) +1
#define COUNT_TWO(...) +2
#define COUNT_THREE(...) +3
#define ONE(name, code, record, nest, check, types, run) ENTRY(name, record, nest, types, check, run),
#define TWO(name, code, record, nest, check, types, run, types2, run2) \
    ONE(name, code, record, nest, check, types, run) ENTRY(name, record, nest, types2, check, run2),
#define THREE(name, code, record, nest, check, types, run, types2, run2, types3, run3) \
    TWO(name, code, record, nest, check, types, run, types2, run2) ENTRY(name, record, nest, types3, check, run3),
#define PORT(name, types) PORT_ENTRY(name, types),

const hog_operator_t hog_operators[] = {
    {HOG_OPERATORS(COUNT_ONE, COUNT_TWO, COUNT_THREE), 0, 0, 0, NULL, NULL},
    HOG_OPERATORS(ONE, TWO, THREE)
};
const hog_port_t hog_ports[] = {
    {HOG_PORTS(COUNT_ONE), NULL, NULL},
    HOG_PORTS(PORT)
};

#endif
