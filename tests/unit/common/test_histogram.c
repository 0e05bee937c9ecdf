// SPDX-License-Identifier: GPL-2.0-or-later
#include "tests/unit/common/testing.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "common/histogram.h"

static int histogram_make(void **state)
{
    return (*state = calloc(3, sizeof(struct histogram))) ? 0 : -1;
}

static int histogram_free(void **state)
{
    free(*state);
    return 0;
}

static unsigned only_bin(const struct histogram *histogram)
{
    unsigned found = HISTOGRAM_BINS;

    for (unsigned i = 0; i < HISTOGRAM_BINS; i++)
        if (histogram->bins[i]) {
            assert_int_equal(found, HISTOGRAM_BINS);
            found = i;
        }
    return found;
}

static unsigned bin_for(struct histogram *histogram, uint64_t ns)
{
    memset(histogram, 0, sizeof(*histogram));
    histogram_add(histogram, ns, 1);
    return only_bin(histogram);
}

static void is_empty_at_first(void **state)
{
    const struct histogram *histogram = *state;

    assert_int_equal(histogram_count(histogram), 0);
    assert_true(histogram_mean(histogram) == 0);
    assert_true(histogram_quantile(histogram, 0.5) == 0);
    assert_true(histogram_quantile(histogram, 1) == 0);
}

static void bins_rise_and_reach_the_last(void **state)
{
    struct histogram *histogram = *state;
    unsigned last = 0;

    assert_int_equal(bin_for(histogram, 0), 0);
    for (uint64_t ns = 1; ns < 200000; ns++) {
        unsigned bin = bin_for(histogram, ns);
        assert_true(bin == last || bin == last + 1); /* none is left out */
        last = bin;
    }
    for (unsigned octave = 17; octave < 36; octave++)
        for (uint64_t step = 0; step < HISTOGRAM_STEPS; step++) {
            uint64_t start = (1ull << octave) + (step << (octave - 4));
            unsigned bin = bin_for(histogram, start);
            assert_int_equal(bin, (octave - 5) * HISTOGRAM_STEPS + step);
            assert_int_equal(bin_for(histogram, start - 1), bin - 1);
        }
    assert_int_equal(bin_for(histogram, (1ull << 36) - 1), HISTOGRAM_BINS - 1);
    assert_int_equal(bin_for(histogram, 1ull << 36), HISTOGRAM_BINS - 1);
    assert_int_equal(bin_for(histogram, UINT64_MAX), HISTOGRAM_BINS - 1);
}

/* As the header promises: from 64 ns to 69 s a quantile is within 1/16 of the value. */
static void one_value_comes_back_within_a_sixteenth(void **state)
{
    struct histogram *histogram = *state;
    uint64_t seed = 1;

    for (int i = 0; i < 50000; i++) {
        uint64_t ns = 64 + (noise_next(&seed) >> noise_between(&seed, 28, 57));
        bin_for(histogram, ns);
        for (double share = 0.01; share <= 1; share += 0.33) {
            double quantile = histogram_quantile(histogram, share);
            if (fabs(quantile - (double)ns) > (double)ns / 16)
                fail_msg("%g for %llu", quantile, (unsigned long long)ns);
        }
        assert_true(histogram_mean(histogram) == (double)ns);
    }
}

static int compare(const void *a, const void *b)
{
    const uint64_t *x = a, *y = b;
    return *x < *y ? -1 : *x > *y;
}

static void quantiles_follow_the_sorted_values(void **state)
{
    static uint64_t values[20000];
    struct histogram *histogram = *state;
    uint64_t seed = 2;

    for (size_t i = 0; i < COUNT_OF(values); i++) {
        double u = (double)(noise_next(&seed) >> 11) / 9007199254740992.0;
        values[i] = (uint64_t)(1000 - 50000 * log(1 - u)); /* exponential, mean 50 us */
        histogram_add(histogram, values[i], 1);
    }
    qsort(values, COUNT_OF(values), sizeof(values[0]), compare);
    for (double share = 0.001; share < 0.9999; share += 0.001) {
        double exact = (double)values[(size_t)(share * COUNT_OF(values))];
        assert_true(fabs(histogram_quantile(histogram, share) / exact - 1) < 1.0 / 16);
    }
    assert_true(histogram_quantile(histogram, 1) >= (double)values[COUNT_OF(values) - 1]);
}

static void quantiles_never_fall(void **state)
{
    struct histogram *histogram = *state;
    uint64_t seed = 3;
    double last = 0;

    for (int i = 0; i < 100; i++)
        histogram_add(histogram, noise_next(&seed) >> noise_between(&seed, 0, 63),
                      noise_between(&seed, 0, 1000));
    for (int i = 0; i <= 10000; i++) {
        double quantile = histogram_quantile(histogram, i / 10000.0);
        assert_true(quantile >= last);
        last = quantile;
    }
    assert_true(last <= 68719476736.0); /* 2^36 ns, where the last bin ends */
}

static void interpolates_in_a_bin(void **state)
{
    struct histogram *histogram = *state;

    histogram_add(histogram, 1024, 100); /* the bin 1024..1088 */
    assert_float_equal(histogram_quantile(histogram, 0.25), 1040, 1e-9);
    assert_float_equal(histogram_quantile(histogram, 1), 1088, 1e-9);
    histogram_add(histogram, 4096, 300); /* 4096..4352 */
    assert_float_equal(histogram_quantile(histogram, 0.25), 1088, 1e-9);
    assert_float_equal(histogram_quantile(histogram, 0.5), 4096 + 256.0 / 3, 1e-9);
}

static void shares_out_of_range_stay_at_the_ends(void **state)
{
    struct histogram *histogram = *state;

    histogram_add(histogram, 1024, 1);
    assert_true(histogram_quantile(histogram, -1) == 0);
    assert_true(histogram_quantile(histogram, 0) == 0);
    assert_true(histogram_quantile(histogram, 2) == 1088);
    assert_true(histogram_quantile(histogram, NAN) <= 1088);
}

static void mean_is_of_the_values_not_of_the_bins(void **state)
{
    struct histogram *histogram = *state;

    histogram_add(histogram, 1025, 3);
    histogram_add(histogram, 2049, 1);
    assert_int_equal(histogram_count(histogram), 4);
    assert_float_equal(histogram_mean(histogram), 1281, 1e-9);
    histogram_add(histogram, 5000, 0);
    assert_int_equal(histogram_count(histogram), 4);
}

/* One value beyond the last bin, however absurd, spoils the mean of its own span only. */
static void differences_survive_wrapping(void **state)
{
    struct histogram *histogram = *state;

    memset(histogram->bins, 0xff, sizeof(histogram->bins));
    histogram->sum_ns = UINT64_MAX - 100;
    histogram[1] = histogram[0];
    histogram_add(histogram, 1024, 5);
    histogram_add(histogram, 100000, 2);
    histogram_difference(&histogram[0], &histogram[1], &histogram[2]);
    assert_int_equal(histogram_count(&histogram[2]), 7);
    assert_float_equal(histogram_mean(&histogram[2]), (5 * 1024 + 2 * 100000) / 7.0, 1e-6);
    assert_float_equal(histogram_quantile(&histogram[2], 5 / 7.0), 1088, 1e-6);
}

static void differences_may_be_taken_in_place(void **state)
{
    struct histogram *histogram = *state;

    histogram_add(&histogram[0], 64, 10);
    histogram[1] = histogram[0];
    histogram_add(&histogram[0], 640, 4);
    histogram_difference(&histogram[0], &histogram[1], &histogram[1]);
    assert_int_equal(histogram_count(&histogram[1]), 4);
    assert_float_equal(histogram_mean(&histogram[1]), 640, 1e-9);
}

static void the_largest_value_is_kept(void **state)
{
    struct histogram *histogram = *state;

    histogram_add(histogram, UINT64_MAX, 1);
    assert_int_equal(histogram_count(histogram), 1);
    assert_true(histogram_quantile(histogram, 0.5) <= 68719476736.0);
    assert_true(histogram_quantile(histogram, 0.5) >= 66571993088.0); /* the last bin */
    assert_true(histogram_mean(histogram) == 18446744073709551616.0);
}

int main(void)
{
#define HISTOGRAM_TEST(name) cmocka_unit_test_setup_teardown(name, histogram_make, histogram_free)
    const struct CMUnitTest tests[] = {
        HISTOGRAM_TEST(is_empty_at_first),
        HISTOGRAM_TEST(bins_rise_and_reach_the_last),
        HISTOGRAM_TEST(one_value_comes_back_within_a_sixteenth),
        HISTOGRAM_TEST(quantiles_follow_the_sorted_values),
        HISTOGRAM_TEST(quantiles_never_fall),
        HISTOGRAM_TEST(interpolates_in_a_bin),
        HISTOGRAM_TEST(shares_out_of_range_stay_at_the_ends),
        HISTOGRAM_TEST(mean_is_of_the_values_not_of_the_bins),
        HISTOGRAM_TEST(differences_survive_wrapping),
        HISTOGRAM_TEST(differences_may_be_taken_in_place),
        HISTOGRAM_TEST(the_largest_value_is_kept),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
