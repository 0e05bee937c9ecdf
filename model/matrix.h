// SPDX-License-Identifier: GPL-2.0-or-later
/* Dense matrices, rows one after the other, on BLAS and LAPACK. */
#ifndef XENAGG_MODEL_MATRIX_H
#define XENAGG_MODEL_MATRIX_H

#include <stddef.h>

struct matrix {
    size_t rows, columns;
    double *at; /* rows * columns; NULL: none */
};

#define MATRIX(m, i, j) ((m).at[(size_t)(i) * (m).columns + (j)])

/* All zero. 0 or -ENOMEM. */
int matrix_init(struct matrix *ret, size_t rows, size_t columns);
/* Also fine on one that was never initialised, if it is all zero bytes. */
void matrix_free(struct matrix *m);
/* Equal sizes. */
void matrix_copy(struct matrix *to, const struct matrix *from);

/* to = scale a b + keep to. `to` is neither a nor b. */
void matrix_multiply(struct matrix *to, double scale, const struct matrix *a,
                     const struct matrix *b, double keep);
/* to += a (x) b, placed with its first element at (row, column) of `to`. */
void matrix_add_kronecker(struct matrix *to, size_t row, size_t column, double scale,
                          const struct matrix *a, const struct matrix *b);
void matrix_identity(struct matrix *m);

/* Row vector times matrix, matrix times column vector. */
void matrix_left(const double *row, const struct matrix *m, double *ret);
void matrix_right(const struct matrix *m, const double *column, double *ret);

/* A square matrix, factored: solves with it cost what a multiplication does. */
struct matrix_factors {
    struct matrix lu;
    int *pivots;
};

/* Takes a copy of `m`. 0, -ENOMEM, -EDOM (singular). */
int matrix_factor(struct matrix_factors *ret, const struct matrix *m);
void matrix_factors_free(struct matrix_factors *factors);
/* rows := rows m^-1, in place: n rows one after the other. */
void matrix_divide(const struct matrix_factors *factors, double *rows, size_t n);
/* column := m^-1 column, in place. */
void matrix_solve(const struct matrix_factors *factors, double *column);

#endif
