#include "job_queue.h"

#include <assert.h>
#include <stdlib.h>

struct sort_key {
    double seconds;
    size_t job;
};

static int longest_first(const void *a, const void *b)
{
    const struct sort_key *x = a, *y = b;
    if (x->seconds != y->seconds)
        return x->seconds < y->seconds ? 1 : -1;
    return x->job < y->job ? -1 : x->job > y->job;
}

static int sort_places(struct job_queue *queue, const struct job_cost *costs, struct error *err)
{
    struct sort_key *keys = malloc((queue->count + 1) * sizeof *keys);
    if (!keys)
        return fail(err, E_ENVIRONMENT, "not enough memory for %zu jobs", queue->count);
    for (size_t i = 0; i < queue->count; i++)
        keys[i] = (struct sort_key){costs[i].seconds, i};
    qsort(keys, queue->count, sizeof *keys, longest_first);
    for (size_t place = 0; place < queue->count; place++) {
        queue->job_at[place] = keys[place].job;
        queue->place_of[keys[place].job] = place;
    }
    free(keys);
    return 0;
}

int job_queue_init(struct job_queue *queue, const struct job_cost *costs, size_t count,
                   struct error *err)
{
    *queue = (struct job_queue){.count = count, .leaves = 1};
    while (queue->leaves < count)
        queue->leaves *= 2;
    queue->least = malloc(2 * queue->leaves * sizeof *queue->least);
    queue->place_of = malloc((count + 1) * sizeof *queue->place_of);
    queue->job_at = malloc((count + 1) * sizeof *queue->job_at);
    queue->bytes = malloc((count + 1) * sizeof *queue->bytes);
    int status = 0;
    if (!queue->least || !queue->place_of || !queue->job_at || !queue->bytes)
        status = fail(err, E_ENVIRONMENT, "not enough memory for %zu jobs", count);
    else
        status = sort_places(queue, costs, err);
    if (status != 0) {
        job_queue_release(queue);
        return status;
    }
    for (size_t i = 0; i < 2 * queue->leaves; i++)
        queue->least[i] = UINT64_MAX;
    for (size_t i = 0; i < count; i++) /* UINT64_MAX is no job's */
        queue->bytes[i] = costs[i].bytes < UINT64_MAX ? costs[i].bytes : UINT64_MAX - 1;
    return 0;
}

void job_queue_release(struct job_queue *queue)
{
    free(queue->least);
    free(queue->place_of);
    free(queue->job_at);
    free(queue->bytes);
    *queue = (struct job_queue){0};
}

static void set_leaf(struct job_queue *queue, size_t job, uint64_t bytes)
{
    size_t node = queue->leaves + queue->place_of[job];
    queue->least[node] = bytes;
    for (node /= 2; node > 0; node /= 2) {
        uint64_t left = queue->least[2 * node], right = queue->least[2 * node + 1];
        queue->least[node] = left < right ? left : right;
    }
}

void job_queue_put(struct job_queue *queue, size_t job)
{
    assert(queue->least[queue->leaves + queue->place_of[job]] == UINT64_MAX);
    set_leaf(queue, job, queue->bytes[job]);
    queue->waiting++;
}

void job_queue_take(struct job_queue *queue, size_t job)
{
    assert(queue->least[queue->leaves + queue->place_of[job]] != UINT64_MAX);
    set_leaf(queue, job, UINT64_MAX);
    queue->waiting--;
}

ptrdiff_t job_queue_longest(const struct job_queue *queue, uint64_t bytes)
{
    size_t node = 1;
    if (bytes == UINT64_MAX)
        bytes--;
    if (queue->waiting == 0 || queue->least[1] > bytes)
        return JOB_NONE;
    while (node < queue->leaves)
        node = queue->least[2 * node] <= bytes ? 2 * node : 2 * node + 1;
    return (ptrdiff_t)queue->job_at[node - queue->leaves];
}
