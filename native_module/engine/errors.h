// SPDX-License-Identifier: MIT
//
// What can be wrong with a file, and how it is said. The reference engine says the same: native_module/tables.py writes its
// texts.
#ifndef HOGNOSE_ERRORS_H
#define HOGNOSE_ERRORS_H

#define HOG_ERRORS(X) \
    X(OK, "") \
    X(ADDRESS, "the file is not at an address divisible by 4") \
    X(MAGIC, "not a .hog file") \
    X(VERSION, "the file's format version is not 2: pack the model again") \
    X(LENGTH, "the file's length is not what its header says") \
    X(CHECKSUM, "the checksum is wrong: the file is damaged") \
    X(FEATURES, "the file needs a feature that this engine does not have") \
    X(ARENA, "the arena is 2 GB or larger") \
    X(SECTIONS, "the section table is out of place") \
    X(SECTION, "a section is unknown, repeated or out of place") \
    X(SECTION_OVERLAP, "sections overlap") \
    X(SECTION_MISSING, "a section is missing") \
    X(PLAN, "the plan is cut short") \
    X(PLAN_END, "the plan is too long") \
    X(IO_COUNT, "not 1 to 64 inputs and outputs") \
    X(IO, "an input or output of the model is out of place") \
    X(IO_SCALE, "scale or zero point out of range") \
    X(IO_ABSENT, "inputs or outputs of this type are not in this _hognose module") \
    X(WORK, "one run takes more work than the file says") \
    X(TOO_MUCH_WORK, "one run takes too much work") \
    X(RESET_WORK, "a reset takes too much work") \
    X(ABSENT, "this operator is not in this _hognose module") \
    X(TYPE, "unknown type") \
    X(RECORD, "the record's length is wrong") \
    X(LOOPS, "too many loops") \
    X(RESERVED, "a reserved field is not 0") \
    X(ZERO, "a size is 0") \
    X(INPUT, "the input is out of place") \
    X(OPERAND, "an operand is out of place") \
    X(OUTPUT, "the output is out of place") \
    X(WEIGHTS, "the weights are out of place") \
    X(PARAMS, "the parameters are out of place") \
    X(TABLE, "the table is out of place") \
    X(SCRATCH, "the scratch buffer is out of place") \
    X(NO_SCRATCH, "an im2col buffer is missing") \
    X(STATE, "the state is out of place") \
    X(OVERLAP, "tensors overlap") \
    X(GROUPS, "groups do not divide the channels") \
    X(WINDOW, "the window is too large") \
    X(TILE, "tile out of range") \
    X(LAYOUT, "unknown layout of the weights") \
    X(INPUTS, "the inputs are not a multiple of 8") \
    X(WEIGHT, "a weight is -128 where it must not be") \
    X(EMPTY_WINDOW, "a window lies outside the input") \
    X(SCALES, "not one multiplier, or one per channel") \
    X(MULTIPLIER, "multiplier or shift out of range") \
    X(ZERO_POINT, "zero point out of range") \
    X(CLAMP, "clamp out of range or empty") \
    X(SCALE, "the scale is not a positive number") \
    X(FILL, "elements are not of 1, 2 or 4 bytes") \
    X(FUNCTION, "unknown function, or not of this type") \
    X(TARGET, "a jump out of the plan, or back into the part that a reset runs") \
    X(COUNTS, "not 4 coordinates, or not a column per class and at most one more")

#define NAME(name, words) E_##name,
typedef enum {
    HOG_ERRORS(NAME)
} hog_error_t;
#undef NAME

#endif // HOGNOSE_ERRORS_H
