// SPDX-License-Identifier: GPL-2.0-or-later
#include "model/matrix.h"

#include <cblas.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* LAPACK, by columns: our rows are its columns, so it sees every matrix transposed. */
void dgetrf_(const int *m, const int *n, double *a, const int *lda, int *pivots, int *info);
void dgetrs_(const char *trans, const int *n, const int *nrhs, const double *a, const int *lda,
             const int *pivots, double *b, const int *ldb, int *info);

int matrix_init(struct matrix *ret, size_t rows, size_t columns)
{
    double *at = calloc(rows * columns + 1, sizeof(double));
    if (!at)
        return -ENOMEM;
    *ret = (struct matrix){rows, columns, at};
    return 0;
}

void matrix_free(struct matrix *m)
{
    free(m->at);
    m->at = NULL;
}

void matrix_copy(struct matrix *to, const struct matrix *from)
{
    memcpy(to->at, from->at, from->rows * from->columns * sizeof(double));
}

void matrix_multiply(struct matrix *to, double scale, const struct matrix *a,
                     const struct matrix *b, double keep)
{
    cblas_dgemm(CblasRowMajor, CblasNoTrans, CblasNoTrans, (int)a->rows, (int)b->columns,
                (int)a->columns, scale, a->at, (int)a->columns, b->at, (int)b->columns, keep,
                to->at, (int)to->columns);
}

void matrix_add_kronecker(struct matrix *to, size_t row, size_t column, double scale,
                          const struct matrix *a, const struct matrix *b)
{
    for (size_t i = 0; i < a->rows; i++)
        for (size_t j = 0; j < a->columns; j++) {
            double factor = scale * MATRIX(*a, i, j);
            if (factor == 0)
                continue;
            for (size_t k = 0; k < b->rows; k++)
                for (size_t l = 0; l < b->columns; l++)
                    MATRIX(*to, row + i * b->rows + k, column + j * b->columns + l) +=
                        factor * MATRIX(*b, k, l);
        }
}

void matrix_identity(struct matrix *m)
{
    memset(m->at, 0, m->rows * m->columns * sizeof(double));
    for (size_t i = 0; i < m->rows; i++)
        MATRIX(*m, i, i) = 1;
}

void matrix_left(const double *row, const struct matrix *m, double *ret)
{
    cblas_dgemv(CblasRowMajor, CblasTrans, (int)m->rows, (int)m->columns, 1, m->at, (int)m->columns,
                row, 1, 0, ret, 1);
}

void matrix_right(const struct matrix *m, const double *column, double *ret)
{
    cblas_dgemv(CblasRowMajor, CblasNoTrans, (int)m->rows, (int)m->columns, 1, m->at,
                (int)m->columns, column, 1, 0, ret, 1);
}

int matrix_factor(struct matrix_factors *ret, const struct matrix *m)
{
    struct matrix_factors f = {.pivots = calloc(m->rows, sizeof(int))};
    int n = (int)m->rows, info = 0;
    if (!f.pivots || matrix_init(&f.lu, m->rows, m->rows)) {
        free(f.pivots);
        return -ENOMEM;
    }
    matrix_copy(&f.lu, m);
    dgetrf_(&n, &n, f.lu.at, &n, f.pivots, &info);
    if (info != 0) {
        matrix_factors_free(&f);
        return -EDOM;
    }
    *ret = f;
    return 0;
}

void matrix_factors_free(struct matrix_factors *factors)
{
    matrix_free(&factors->lu);
    free(factors->pivots);
    factors->pivots = NULL;
}

void matrix_divide(const struct matrix_factors *factors, double *rows, size_t n)
{
    int order = (int)factors->lu.rows, count = (int)n, info;
    dgetrs_("N", &order, &count, factors->lu.at, &order, factors->pivots, rows, &order, &info);
}

void matrix_solve(const struct matrix_factors *factors, double *column)
{
    int order = (int)factors->lu.rows, one = 1, info;
    dgetrs_("T", &order, &one, factors->lu.at, &order, factors->pivots, column, &order, &info);
}
