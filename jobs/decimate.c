#include "decimate.h"

#include <assert.h>
#include <math.h>
#include <stdlib.h>

/* Of a row where a curve is missing and a neighbour has it, or the other way round: farther than
 * any value from another. Of such rows the middle one is farthest, so that halving finds the edge
 * of a gap in few rows. */
static double far_away(size_t first, size_t last, size_t row)
{
    return 1e9 - fabs((double)first + (double)last - 2 * (double)row);
}

/* The rows strictly between two kept ones, and the one farthest from the lines between them. */
struct gap {
    size_t first, last, farthest;
    double distance; /* of the farthest, in natural logarithms; 0 if nothing lies between */
};

struct thinning {
    const struct decimation *plan;
    double *logs; /* [rows][drawn_count]; NaN where a value is missing */
    struct gap *heap;
};

static void take_logarithms(struct thinning *t)
{
    const struct decimation *plan = t->plan;
    for (size_t row = 0; row < plan->rows; row++)
        for (size_t i = 0; i < plan->drawn_count; i++) {
            double value = plan->values[row * plan->columns + (size_t)plan->drawn[i]];
            t->logs[row * plan->drawn_count + i] =
                isfinite(value) && value > 0 ? log(value) : (double)NAN;
        }
}

/* How far a row lies from the lines between the ends of its gap. */
static double distance(const struct thinning *t, const struct gap *gap, size_t row)
{
    const struct decimation *plan = t->plan;
    const double *x = plan->values + plan->x;
    double from = x[gap->first * plan->columns], to = x[gap->last * plan->columns];
    double share = to > from ? (x[row * plan->columns] - from) / (to - from) : 0.5;
    double farthest = 0;
    for (size_t i = 0; i < plan->drawn_count; i++) {
        double first = t->logs[gap->first * plan->drawn_count + i];
        double last = t->logs[gap->last * plan->drawn_count + i];
        double here = t->logs[row * plan->drawn_count + i];
        double d = fabs(here - (first + share * (last - first)));
        if (isnan(d))
            d = isnan(here) && isnan(first) && isnan(last) ? 0
                                                           : far_away(gap->first, gap->last, row);
        if (d > farthest)
            farthest = d;
    }
    return farthest;
}

static void measure(const struct thinning *t, struct gap *gap)
{
    gap->distance = 0;
    gap->farthest = gap->first;
    for (size_t row = gap->first + 1; row < gap->last; row++) {
        double d = distance(t, gap, row);
        if (d > gap->distance) {
            gap->distance = d;
            gap->farthest = row;
        }
    }
}

/* A heap of gaps, the farthest on top. */
static void sift_up(struct gap *heap, size_t at)
{
    while (at > 0 && heap[(at - 1) / 2].distance < heap[at].distance) {
        struct gap parent = heap[(at - 1) / 2];
        heap[(at - 1) / 2] = heap[at];
        heap[at] = parent;
        at = (at - 1) / 2;
    }
}

static void sift_down(struct gap *heap, size_t count)
{
    for (size_t at = 0;;) {
        size_t child = 2 * at + 1;
        if (child + 1 < count && heap[child + 1].distance > heap[child].distance)
            child++;
        if (child >= count || heap[child].distance <= heap[at].distance)
            return;
        struct gap top = heap[at];
        heap[at] = heap[child];
        heap[child] = top;
        at = child;
    }
}

static int ascending(const void *a, const void *b)
{
    size_t x = *(const size_t *)a, y = *(const size_t *)b;
    return (x > y) - (x < y);
}

/* Splits the widest gap at its farthest row until all is near enough. */
static void split(struct thinning *t, size_t *kept, size_t *count)
{
    const struct decimation *plan = t->plan;
    struct gap *heap = t->heap;
    double near = log1p(plan->tolerance);
    size_t gaps = 1;
    heap[0] = (struct gap){.first = 0, .last = plan->rows - 1};
    measure(t, &heap[0]);
    while (*count < plan->limit && heap[0].distance > near) {
        size_t row = heap[0].farthest;
        struct gap right = {.first = row, .last = heap[0].last};
        heap[0].last = row;
        measure(t, &heap[0]);
        sift_down(heap, gaps);
        measure(t, &right);
        heap[gaps] = right;
        sift_up(heap, gaps++);
        kept[(*count)++] = row;
    }
}

static int thin(const struct decimation *plan, size_t *kept, size_t *count, double *worst,
                struct error *err)
{
    struct thinning t = {.plan = plan,
                         .logs = malloc((plan->rows * plan->drawn_count + 1) * sizeof *t.logs),
                         .heap = malloc(plan->limit * sizeof *t.heap)};
    int status = 0;
    if (!t.logs || !t.heap) {
        status = fail(err, E_ENVIRONMENT, "not enough memory to thin a loss history");
        goto done;
    }
    kept[0] = 0;
    kept[1] = plan->rows - 1;
    *count = 2;
    take_logarithms(&t);
    split(&t, kept, count);
    *worst = expm1(t.heap[0].distance);
    qsort(kept, *count, sizeof *kept, ascending);
done:
    free(t.logs);
    free(t.heap);
    return status;
}

int decimate(const struct decimation *plan, size_t *kept, size_t *count, double *worst,
             struct error *err)
{
    assert(plan->limit >= 2);
    if (plan->rows > 2)
        return thin(plan, kept, count, worst, err);
    *worst = 0;
    *count = plan->rows;
    for (size_t row = 0; row < plan->rows; row++)
        kept[row] = row;
    return 0;
}
