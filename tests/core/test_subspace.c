/* Vectors by their coordinates: the same sums and dot products, to the accuracy of floats. */
#include "subspace.h"

#include "check.h"
#include "threads.h"

enum { MOST = 12, COUNT = 3 * 2048 + 777 };

static double *vector_new(uint64_t seed, double scale)
{
    double *v = malloc(COUNT * sizeof *v);
    assert_non_null(v);
    for (size_t i = 0; i < COUNT; i++)
        v[i] = scale * (double)noise_at(seed, i);
    return v;
}

static double product(const double *a, const double *b, size_t count)
{
    double sum = 0;
    for (size_t i = 0; i < count; i++)
        sum += a[i] * b[i];
    return sum;
}

static struct subspace *space_new(void)
{
    struct subspace *space = NULL;
    struct error err = {0};
    assert_int_equal(subspace_new(COUNT, MOST, &space, &err), 0);
    return space;
}

/* Some vectors: independent, nearly and wholly dependent ones, none at all, large and small. */
enum { VECTORS = 8 };

static void make_vectors(double *v[VECTORS])
{
    static const double scales[VECTORS] = {1, 1e5, 1e-5, 1, 0, 1, 1, 1};
    for (int n = 0; n < VECTORS; n++)
        v[n] = vector_new((uint64_t)n + 1, scales[n]);
    for (size_t i = 0; i < COUNT; i++) {
        v[3][i] = v[0][i] + 1e-4 * v[3][i];
        v[6][i] = 3 * v[0][i] - 2e-5 * v[1][i] + 2e-6 * v[6][i];
        v[7][i] = -2 * v[5][i];
    }
}

static void free_vectors(double *v[VECTORS])
{
    for (int n = 0; n < VECTORS; n++)
        free(v[n]);
}

static void coordinates_keep_dot_products(void **state)
{
    (void)state;
    double *v[VECTORS], along[VECTORS][MOST], largest = 0;
    struct subspace *space = space_new();
    make_vectors(v);
    for (int n = 0; n < VECTORS; n++) {
        subspace_add(space, v[n], along[n]);
        assert_true(subspace_keep(space));
    }
    for (int a = 0; a < VECTORS; a++)
        for (int b = 0; b <= a; b++) {
            double want = product(v[a], v[b], COUNT), got = product(along[a], along[b], MOST);
            double whole =
                sqrt(product(v[a], v[a], COUNT)) * sqrt(product(v[b], v[b], COUNT)) + 1e-300;
            double error = fabs(got - want) / whole;
            largest = error <= largest ? largest : error;
        }
    print_message("largest error of a dot product: %.2g\n", largest);
    assert_true(largest <= 1e-8);
    free_vectors(v);
    subspace_free(space);
}

/* Gram-Schmidt in one go would leave the second vector's new direction with something of the
 * first's, 4e-6 of it. */
static void small_differences_stay_exact(void **state)
{
    (void)state;
    double *v[VECTORS], along[2][MOST], moved[MOST] = {0};
    double *difference = calloc(COUNT, sizeof *difference), largest = 0;
    struct subspace *space = space_new();
    make_vectors(v);
    subspace_add(space, v[0], along[0]);
    subspace_keep(space);
    subspace_add(space, v[3], along[1]);
    subspace_keep(space);
    moved[1] = along[1][1];
    subspace_move(space, difference, moved, difference);
    largest = fabs(product(difference, v[0], COUNT)) /
              sqrt(product(v[0], v[0], COUNT) * product(difference, difference, COUNT));
    print_message("cosine between directions: %.2g\n", largest);
    assert_true(largest <= 1e-7);
    free(difference);
    free_vectors(v);
    subspace_free(space);
}

static void move_gives_back_what_was_added(void **state)
{
    (void)state;
    double *v[VECTORS], along[MOST], *origin = vector_new(99, 255), largest = 0;
    double *x = malloc(COUNT * sizeof *x);
    struct subspace *space = space_new();
    make_vectors(v);
    for (int n = 0; n < VECTORS; n++) {
        double norm = sqrt(product(v[n], v[n], COUNT) / COUNT);
        subspace_add(space, v[n], along);
        subspace_keep(space);
        subspace_move(space, origin, along, x);
        for (size_t i = 0; i < COUNT; i++) {
            double error = fabs(x[i] - origin[i] - v[n][i]) / (norm + 1e-6);
            largest = error <= largest ? largest : error;
        }
    }
    print_message("largest error of a vector: %.2g\n", largest);
    assert_true(largest <= 1e-6);
    free(x);
    free(origin);
    free_vectors(v);
    subspace_free(space);
}

static void gradients_on_trial_take_no_room(void **state)
{
    (void)state;
    double along[MOST], first[MOST], *v = vector_new(1, 1), *w = vector_new(2, 1);
    struct subspace *space = space_new();
    for (int n = 0; n < 3 * MOST; n++)
        subspace_add(space, n % 2 ? v : w, along);
    for (int n = 0; n < MOST; n++) {
        double *u = vector_new(10 + (uint64_t)n, 1);
        subspace_add(space, n == 0 ? v : u, along);
        if (n == 0)
            memcpy(first, along, sizeof first);
        assert_int_equal(subspace_keep(space), n + 1 < MOST);
        free(u);
    }
    assert_true(along[MOST - 1] > 0);
    subspace_clear(space);
    subspace_add(space, v, along);
    assert_memory_equal(along, first, sizeof first);
    free(v);
    free(w);
    subspace_free(space);
}

static void coordinates_do_not_depend_on_threads(void **state)
{
    (void)state;
    double *v[VECTORS], along[VECTORS][MOST], first[VECTORS][MOST];
    double *x = calloc(COUNT, sizeof *x), *first_x = calloc(COUNT, sizeof *x);
    make_vectors(v);
    for (int threads = 1; threads <= 5; threads += 2) {
        struct subspace *space = space_new();
        threads_use(threads);
        for (int n = 0; n < VECTORS; n++) {
            subspace_add(space, v[n], along[n]);
            subspace_keep(space);
        }
        subspace_move(space, v[1], along[6], x);
        if (threads == 1) {
            memcpy(first, along, sizeof first);
            memcpy(first_x, x, COUNT * sizeof *x);
        }
        assert_memory_equal(along, first, sizeof first);
        assert_memory_equal(x, first_x, COUNT * sizeof *x);
        subspace_free(space);
    }
    threads_use(0);
    free(x);
    free(first_x);
    free_vectors(v);
}

int main(void)
{
    threads_use(0);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(coordinates_keep_dot_products),
        cmocka_unit_test(small_differences_stay_exact),
        cmocka_unit_test(move_gives_back_what_was_added),
        cmocka_unit_test(gradients_on_trial_take_no_room),
        cmocka_unit_test(coordinates_do_not_depend_on_threads),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
