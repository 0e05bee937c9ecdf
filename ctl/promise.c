// SPDX-License-Identifier: GPL-2.0-or-later
#include "ctl/promise.h"

#include <math.h>
#include <stdio.h>

#include "common/duration.h"

const char *promise_text(double delay, double percentile, const char *scope,
                         char ret[static PROMISE_TEXT])
{
    char duration[DURATION_TEXT], statistic[16] = "mean";

    if (!isfinite(delay)) {
        snprintf(ret, PROMISE_TEXT, "none");
        return ret;
    }
    if (percentile > 0)
        snprintf(statistic, sizeof(statistic), "p%g", percentile);
    snprintf(ret, PROMISE_TEXT, "%s %s, %s", duration_format(delay, duration), statistic, scope);
    return ret;
}
