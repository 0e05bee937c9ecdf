// SPDX-License-Identifier: GPL-2.0-or-later
/* cmocka compares floats (and casts only the first operand): doubles, here. */
#ifndef XENAGG_TESTS_UNIT_MODEL_NEAR_H
#define XENAGG_TESTS_UNIT_MODEL_NEAR_H

#include <math.h>

#define assert_within(value, expected, margin)                                                     \
    assert_within_((value), (expected), (margin), #value, __FILE__, __LINE__)

/* `margin` relative to `expected`. */
#define assert_near(value, expected, margin)                                                       \
    assert_within_((value), (expected), (margin)*fabs((double)(expected)), #value, __FILE__,       \
                   __LINE__)

static inline void assert_within_(double value, double expected, double margin, const char *what,
                                  const char *file, int line)
{
    if (fabs(value - expected) <= margin || value == expected)
        return;
    print_error("%s = %.15g, expected %.15g +- %.3g\n", what, value, expected, margin);
    _fail(file, line);
}

#endif
