// SPDX-License-Identifier: GPL-2.0-or-later
#include "model/method.h"

#include <errno.h>
#include <string.h>

#include "model/answer.h"
#include "model/exact.h"
#include "model/fast.h"
#include "model/published.h"
#include "model/qbd.h"
#include "model/sim.h"

/* As method_solve; the query has been checked. */
typedef int method_function(const struct query *query, const struct method_options *options,
                            struct answer *ret, uint64_t *ret_phases);

static const struct {
    const char *name;
    method_function *solve;
} methods[METHOD_COUNT] = {
    [METHOD_FAST] = {"fast", fast_solve}, [METHOD_PUBLISHED] = {"published", published_solve},
    [METHOD_QBD] = {"qbd", qbd_solve},    [METHOD_EXACT] = {"exact", exact_solve},
    [METHOD_SIM] = {"sim", sim_solve},
};

int method_solve(enum method method, const struct query *query,
                 const struct method_options *options, struct answer *ret, uint64_t *ret_phases)
{
    if ((unsigned)method >= METHOD_COUNT)
        return -EINVAL;
    int r = query_check(query);
    if (r < 0)
        return r;
    return methods[method].solve(query, options, ret, ret_phases);
}

const char *method_name(enum method method)
{
    return (unsigned)method < METHOD_COUNT ? methods[method].name : NULL;
}

int method_from_name(const char *name, enum method *ret)
{
    for (int i = 0; i < METHOD_COUNT; i++)
        if (strcmp(name, methods[i].name) == 0) {
            *ret = (enum method)i;
            return 0;
        }
    return -EINVAL;
}
